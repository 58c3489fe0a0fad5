"""Users: authentication, tokens, accounts and tags."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from analytics_exports.domain.access import Principal, Profile, Scope, Token, UserId


class Directory(Protocol):
    """Users, their tokens, accounts and tags."""

    def authenticate(self, token: str) -> Principal | None:
        """The user that a token belongs to; ``None`` unless the token is valid now."""

    def get_active_user(self, user_id: UserId, scopes: frozenset[Scope]) -> Principal | None:
        """The user with these scopes; ``None`` when there is no such user, or it is disabled."""

    def ensure_user(self, principal: Principal) -> None:
        """Create a user for a caller that a host application authenticated; nothing happens when it exists."""

    def accounts_owned(self, user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        """Those of ``ids`` that are accounts of this user."""

    def tags_owned(self, user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        """Those of ``ids`` that are tags of this user."""

    def profile(self, user_id: UserId, limit: int) -> Profile:
        """The user's profile, with at most ``limit`` accounts and tags. Raises UserNotFound."""


class TokenStore(Protocol):
    """API tokens, for administrators. A secret is returned once, when the token is created."""

    def issue(self, user_id: UserId, name: str, lifetime: timedelta, scopes: Collection[Scope]) -> tuple[str, Token]:
        """Create a token. Returns its secret and its description. Raises UserNotFound."""

    def list_for_user(self, user_id: UserId) -> Sequence[Token]:
        """All tokens of a user, newest first, including expired and revoked ones."""

    def rotate(self, token_id: UUID, lifetime: timedelta, overlap: timedelta) -> tuple[str, Token]:
        """Create a token like this one, which itself expires after ``overlap``. Raises TokenNotFound unless valid."""

    def revoke(self, token_id: UUID) -> None:
        """Revoke this token, effective from the next request. Raises TokenNotFound."""
