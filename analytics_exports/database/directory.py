"""The port ``Directory`` on PostgreSQL: who a token belongs to, and which accounts and tags are whose."""

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import Connection, bindparam, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert

from analytics_exports.database.engine import Transactions
from analytics_exports.database.models import Account, ApiToken, Tag, User
from analytics_exports.database.token_store import token_digest
from analytics_exports.domain.access import Named, Principal, Profile, Scope, UserId
from analytics_exports.domain.errors import UserNotFound
from analytics_exports.ports import Directory
from analytics_exports.reconnecting import reconnecting

USE_NOTED_EVERY = timedelta(minutes=1)
"""Resolution of ``last_used_at``, so that using a token is a read and seldom a write."""


NOT_NOTED = or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at < func.now() - USE_NOTED_EVERY)
AUTHENTICATE = (
    select(User.id, User.owner_key, ApiToken.scopes, ApiToken.id.label("token_id"), NOT_NOTED.label("to_note"))
    .join(ApiToken, ApiToken.user_id == User.id)
    .where(
        ApiToken.digest == bindparam("of_digest"),
        ApiToken.revoked_at.is_(None),
        ApiToken.expires_at > func.now(),
        User.disabled_at.is_(None),
    )
)
NOTE_USE = update(ApiToken).where(ApiToken.id == bindparam("of_token"), NOT_NOTED).values(last_used_at=func.now())


@reconnecting(Directory)
class PostgresDirectory(Transactions):
    """Implements ``ports.Directory``. Methods raise DatabaseUnavailable when PostgreSQL does not respond."""

    def authenticate(self, token: str) -> Principal | None:
        """The user that a token belongs to. Read on each request, so that a revocation takes effect at once."""
        digest = token_digest(token)
        if digest is None:
            return None
        with self._statement() as connection:
            row = connection.execute(AUTHENTICATE, {"of_digest": digest}).one_or_none()
            if row is None:
                return None
            if row.to_note:
                connection.execute(NOTE_USE, {"of_token": row.token_id})
        return Principal(UserId(row.id), row.owner_key, frozenset(map(Scope, row.scopes)))

    def get_active_user(self, user_id: UserId, scopes: frozenset[Scope]) -> Principal | None:
        """The user with these scopes, if it exists and is not disabled."""
        statement = select(User.owner_key).where(User.id == user_id, User.disabled_at.is_(None))
        with self._statement() as connection:
            owner_key = connection.scalar(statement)
        return None if owner_key is None else Principal(user_id, owner_key, scopes)

    def ensure_user(self, principal: Principal) -> None:
        """Create a user for this caller unless it exists."""
        values = {"id": principal.user_id, "label": str(principal.user_id), "owner_key": principal.owner_key}
        new = insert(User).values(values).on_conflict_do_nothing(index_elements=[User.id])
        with self._statement() as connection:
            connection.execute(new)

    def accounts_owned(self, user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        """Those of ``ids`` that are accounts of this user."""
        return self._owned(Account, user_id, ids)

    def tags_owned(self, user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        """Those of ``ids`` that are tags of this user."""
        return self._owned(Tag, user_id, ids)

    def profile(self, user_id: UserId, limit: int) -> Profile:
        """The user's profile. Raises UserNotFound."""
        with self._statement() as connection:
            label = connection.scalar(select(User.label).where(User.id == user_id))
            if label is None:
                raise UserNotFound
            return Profile(label, _named(connection, Account, user_id, limit), _named(connection, Tag, user_id, limit))

    def _owned(self, kind: type[Account | Tag], user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        statement = select(kind.id).where(kind.user_id == user_id, kind.id.in_(ids))
        with self._statement() as connection:
            return frozenset(connection.scalars(statement))


def _named(connection: Connection, kind: type[Account | Tag], user_id: UserId, limit: int) -> tuple[Named, ...]:
    statement = select(kind.id, kind.name).where(kind.user_id == user_id).order_by(kind.name, kind.id).limit(limit)
    return tuple(Named(row.id, row.name) for row in connection.execute(statement))
