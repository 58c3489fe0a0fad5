"""Who calls, and what is theirs."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from analytics_exports.domain.access import Principal, Profile, Scope, Token, UserId


class Directory(Protocol):
    """Users, their tokens, and what is theirs."""

    def principal(self, token: str) -> Principal | None:
        """Whose token this is; ``None`` unless it is valid now."""

    def member(self, user_id: UserId, scopes: frozenset[Scope]) -> Principal | None:
        """This user with these scopes; ``None`` when there is none, or they are disabled."""

    def admit(self, principal: Principal) -> None:
        """Make a caller that somebody else vouches for a user; nothing happens when they are one."""

    def accounts_owned(self, user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        """Those of ``ids`` that are accounts of this user."""

    def tags_owned(self, user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        """Those of ``ids`` that are tags of this user."""

    def profile(self, user_id: UserId, most: int) -> Profile:
        """What is known of this user, with ``most`` accounts and tags at most. Raises UserNotFound."""


class TokenStore(Protocol):
    """API tokens, for administrators. A secret is returned once, when it is made."""

    def issue(self, user_id: UserId, name: str, lifetime: timedelta, scopes: Collection[Scope]) -> tuple[str, Token]:
        """Make a token; its secret, and what is known of it from then on. Raises UserNotFound."""

    def of_user(self, user_id: UserId) -> Sequence[Token]:
        """All tokens of a user, newest first, also those that are not valid any more."""

    def rotate(self, token_id: UUID, lifetime: timedelta, overlap: timedelta) -> tuple[str, Token]:
        """Make a token like this one, which itself ends after ``overlap``. Raises TokenNotFound unless it is valid."""

    def revoke(self, token_id: UUID) -> None:
        """Refuse this token from the next request on. Raises TokenNotFound."""
