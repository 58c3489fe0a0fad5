"""API tokens, for administrators: what they may be made like. Keeping them belongs to the token store."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from analytics_exports.domain.access import Scope, Token, UserId
from analytics_exports.domain.errors import FieldProblem, InvalidRequest
from analytics_exports.ports import TokenStore


@dataclass(frozen=True, slots=True)
class Tokens:
    """What administrators do with tokens.

    Attributes:
        longest: How long a token may be valid; also how long one is when nothing is said.
    """

    store: TokenStore
    longest: timedelta

    def issue(
        self, user_id: UserId, name: str, scopes: Collection[Scope], lifetime: timedelta | None = None
    ) -> tuple[str, Token]:
        """Make a token; the first of the two is its secret, which cannot be had again.

        Raises:
            InvalidRequest: it would be valid for longer than tokens may be.
            UserNotFound: there is no such user.
        """
        return self.store.issue(user_id, name, self._lifetime(lifetime), scopes)

    def of_user(self, user_id: UserId) -> Sequence[Token]:
        """All tokens of a user, newest first, also those that are not valid any more."""
        return self.store.of_user(user_id)

    def rotate(self, token_id: UUID, overlap: timedelta, lifetime: timedelta | None = None) -> tuple[str, Token]:
        """Make a token of the same user, name and scopes; the old one works for ``overlap`` beside it.

        Raises:
            InvalidRequest: it would be valid for longer than tokens may be.
            TokenNotFound: there is no valid token of this id.
        """
        return self.store.rotate(token_id, self._lifetime(lifetime), overlap)

    def revoke(self, token_id: UUID) -> None:
        """Refuse a token from the next request on, in every process. Raises TokenNotFound."""
        self.store.revoke(token_id)

    def _lifetime(self, asked: timedelta | None) -> timedelta:
        if asked is not None and asked > self.longest:
            days = self.longest.days
            raise InvalidRequest(FieldProblem("/expires_in_days", f"A token may be valid for {days} days at most."))
        return asked or self.longest
