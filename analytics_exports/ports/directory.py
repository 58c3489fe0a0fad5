"""Users: authentication, administration, tokens, accounts and tags."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from analytics_exports.domain.access import Principal, Profile, Scope, Token, UserId, UserRecord
from analytics_exports.domain.errors import ExportError


class UserExists(ExportError):
    """There is a user with this id or owner key already."""

    code = "user_exists"


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


class UserStore(Protocol):
    """Users, for operators."""

    def add(self, label: str, owner_key: str | None = None, user_id: UUID | None = None) -> UserRecord:
        """Create a user.

        Args:
            label: Name for people.
            owner_key: Value in the owner column of the warehouse; the id as text by default.
            user_id: The id here; a new one by default.

        Raises:
            UserExists: the id or the owner key is in use.
        """

    def all(self) -> Sequence[UserRecord]:
        """Every user, ordered by label."""

    def find(self, who: str) -> UserRecord:
        """The user with this id, owner key or label. Raises UserNotFound, also when several match."""

    def disable(self, user_id: UserId) -> None:
        """Refuse this user from the next request on, cancel their unfinished exports and expire their files.

        Raises:
            UserNotFound: there is no such user.
        """

    def enable(self, user_id: UserId) -> None:
        """Accept the tokens of this user again. Raises UserNotFound."""


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
