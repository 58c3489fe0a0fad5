"""The Directory and the TokenStore in memory."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count
from uuid import UUID, uuid4

from analytics_exports.domain.access import Named, Principal, Profile, Scope, Token, UserId, UserRecord
from analytics_exports.domain.errors import TokenNotFound, UserNotFound
from analytics_exports.ports import UserExists
from analytics_exports_tests.factories import NOW


class FakeDirectory:
    """Implements ``ports.Directory`` over dictionaries that the test fills."""

    def __init__(self) -> None:
        self.tokens: dict[str, Principal] = {}
        self.users: dict[UserId, str] = {}
        self.disabled: set[UserId] = set()
        self.accounts: dict[UserId, set[str]] = {}
        self.tags: dict[UserId, set[str]] = {}

    def authenticate(self, token: str) -> Principal | None:
        found = self.tokens.get(token)
        return None if found is None or found.user_id in self.disabled else found

    def get_active_user(self, user_id: UserId, scopes: frozenset[Scope]) -> Principal | None:
        if user_id not in self.users or user_id in self.disabled:
            return None
        return Principal(user_id, self.users[user_id], scopes)

    def ensure_user(self, principal: Principal) -> None:
        self.users.setdefault(principal.user_id, principal.owner_key)

    def accounts_owned(self, user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        return frozenset(ids) & self.accounts.get(user_id, set())

    def tags_owned(self, user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        return frozenset(ids) & self.tags.get(user_id, set())

    def profile(self, user_id: UserId, limit: int) -> Profile:
        if user_id not in self.users:
            raise UserNotFound
        accounts, tags = (
            tuple(Named(each, name) for each in sorted(owned.get(user_id, ()))[:limit])
            for owned, name in ((self.accounts, "an account"), (self.tags, "a tag"))
        )
        return Profile("user", accounts, tags)


class FakeTokenStore:
    """Implements ``ports.TokenStore`` beside a FakeDirectory, on a clock that the test moves."""

    def __init__(self, directory: FakeDirectory) -> None:
        self.now = NOW
        self._directory = directory
        self._tokens: dict[str, Token] = {}
        self._numbers = count()

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self._look()

    def issue(self, user_id: UserId, name: str, lifetime: timedelta, scopes: Collection[Scope]) -> tuple[str, Token]:
        if user_id not in self._directory.users:
            raise UserNotFound
        secret = f"secret-{next(self._numbers)}"
        self._tokens[secret] = Token(
            id=uuid4(),
            user_id=user_id,
            name=name,
            scopes=frozenset(scopes),
            created_at=self.now + timedelta(microseconds=next(self._numbers)),
            expires_at=self.now + lifetime,
            revoked_at=None,
            last_used_at=None,
        )
        self._look()
        return secret, self._tokens[secret]

    def list_for_user(self, user_id: UserId) -> Sequence[Token]:
        mine = [token for token in self._tokens.values() if token.user_id == user_id]
        return sorted(mine, key=lambda token: token.created_at, reverse=True)

    def rotate(self, token_id: UUID, lifetime: timedelta, overlap: timedelta) -> tuple[str, Token]:
        secret, old = self._find(token_id)
        if old.revoked_at or old.expires_at <= self.now:
            raise TokenNotFound
        self._tokens[secret] = replace(old, expires_at=min(old.expires_at, self.now + overlap))
        return self.issue(old.user_id, old.name, lifetime, old.scopes)

    def revoke(self, token_id: UUID) -> None:
        secret, old = self._find(token_id)
        self._tokens[secret] = replace(old, revoked_at=old.revoked_at or self.now)
        self._look()

    def _find(self, token_id: UUID) -> tuple[str, Token]:
        for secret, token in self._tokens.items():
            if token.id == token_id:
                return secret, token
        raise TokenNotFound

    def _look(self) -> None:
        """Let the directory know which secrets are valid now."""
        users = self._directory.users
        self._directory.tokens = {
            secret: Principal(token.user_id, users[token.user_id], token.scopes)
            for secret, token in self._tokens.items()
            if token.revoked_at is None and token.expires_at > self.now
        }


class FakeUserStore:
    """Implements ``ports.UserStore``."""

    def __init__(self) -> None:
        self._users: dict[UserId, UserRecord] = {}

    def add(self, label: str, owner_key: str | None = None, user_id: UUID | None = None) -> UserRecord:
        new = UserId(user_id or uuid4())
        user = UserRecord(new, label, owner_key or str(new), NOW, None)
        if new in self._users or user.owner_key in {each.owner_key for each in self._users.values()}:
            raise UserExists
        self._users[new] = user
        return user

    def all(self) -> Sequence[UserRecord]:
        return sorted(self._users.values(), key=lambda user: (user.label, str(user.id)))

    def find(self, who: str) -> UserRecord:
        found = [user for user in self._users.values() if who in (str(user.id), user.owner_key, user.label)]
        if len(found) != 1:
            raise UserNotFound("No user fits, or more than one; take the id that `users list` shows.")
        return found[0]

    def disable(self, user_id: UserId) -> None:
        self._set(user_id, NOW)

    def enable(self, user_id: UserId) -> None:
        self._set(user_id, None)

    def _set(self, user_id: UserId, disabled_at: datetime | None) -> None:
        if user_id not in self._users:
            raise UserNotFound
        self._users[user_id] = replace(self._users[user_id], disabled_at=disabled_at)
