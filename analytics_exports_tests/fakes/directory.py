"""The Directory in memory."""

from collections.abc import Collection

from analytics_exports.domain.access import Principal, UserId


class FakeDirectory:
    """Implements ``ports.Directory`` over dictionaries that the test fills."""

    def __init__(self) -> None:
        self.tokens: dict[str, Principal] = {}
        self.accounts: dict[UserId, set[str]] = {}
        self.tags: dict[UserId, set[str]] = {}

    def principal(self, token: str) -> Principal | None:
        return self.tokens.get(token)

    def accounts_owned(self, user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        return frozenset(ids) & self.accounts.get(user_id, set())

    def tags_owned(self, user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        return frozenset(ids) & self.tags.get(user_id, set())
