"""API tokens, for administrators: how long they may be valid. Storing them belongs to the token store."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from analytics_exports.domain.access import Scope, Token, UserId
from analytics_exports.domain.errors import FieldProblem, InvalidRequest
from analytics_exports.ports import TokenStore


@dataclass(frozen=True, slots=True)
class TokenService:
    """Administers tokens.

    Attributes:
        longest: How long a token may be valid; also the default.
    """

    store: TokenStore
    longest: timedelta

    def issue(
        self, user_id: UserId, name: str, scopes: Collection[Scope], lifetime: timedelta | None = None
    ) -> tuple[str, Token]:
        """Create a token. Returns its secret, which cannot be read again, and its description.

        Raises:
            InvalidRequest: it would be valid for longer than allowed.
            UserNotFound: there is no such user.
        """
        return self.store.issue(user_id, name, self._lifetime(lifetime), scopes)

    def list_for_user(self, user_id: UserId) -> Sequence[Token]:
        """All tokens of a user, newest first, including expired and revoked ones."""
        return self.store.list_for_user(user_id)

    def rotate(self, token_id: UUID, overlap: timedelta, lifetime: timedelta | None = None) -> tuple[str, Token]:
        """Create a token with the same user, name and scopes; the old one stays valid for ``overlap``.

        Raises:
            InvalidRequest: it would be valid for longer than allowed.
            TokenNotFound: there is no valid token with this id.
        """
        return self.store.rotate(token_id, self._lifetime(lifetime), overlap)

    def revoke(self, token_id: UUID) -> None:
        """Revoke a token, effective from the next request in every process. Raises TokenNotFound."""
        self.store.revoke(token_id)

    def _lifetime(self, asked: timedelta | None) -> timedelta:
        if asked is not None and asked > self.longest:
            days = self.longest.days
            raise InvalidRequest(FieldProblem("/expires_in_days", f"A token may be valid for {days} days at most."))
        return asked or self.longest
