"""Who calls, and what is theirs."""

from collections.abc import Collection
from typing import Protocol

from analytics_exports.domain.access import Principal, UserId


class Directory(Protocol):
    """Users, their tokens, and what is theirs."""

    def principal(self, token: str) -> Principal | None:
        """Whose token this is; ``None`` unless it is valid now."""

    def accounts_owned(self, user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        """Those of ``ids`` that are accounts of this user."""

    def tags_owned(self, user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        """Those of ``ids`` that are tags of this user."""
