"""The port ``Directory`` on PostgreSQL: who a token belongs to, and which accounts and tags are whose."""

from collections.abc import Collection
from datetime import timedelta

from sqlalchemy import Engine, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from analytics_exports.database.models import Account, ApiToken, Tag, User
from analytics_exports.database.token_store import token_digest
from analytics_exports.domain.access import Named, Principal, Profile, Scope, UserId
from analytics_exports.domain.errors import UserNotFound
from analytics_exports.ports import Directory
from analytics_exports.reconnecting import reconnecting, unavailable_when_away

USE_NOTED_EVERY = timedelta(minutes=1)
"""Resolution of ``last_used_at``, so that using a token is a read and seldom a write."""


@reconnecting(Directory)
class PostgresDirectory:
    """Implements ``ports.Directory``. Methods raise DatabaseUnavailable when PostgreSQL does not respond."""

    def __init__(self, engine: Engine, retry_seconds: float = 0) -> None:
        """Use the database of ``engine``; retry for ``retry_seconds`` while PostgreSQL is away."""
        self.retry_seconds = retry_seconds
        self._engine = engine

    def authenticate(self, token: str) -> Principal | None:
        """The user that a token belongs to. Read on each request, so that a revocation takes effect at once."""
        key = token_digest(token)
        if key is None:
            return None
        noted = or_(ApiToken.last_used_at.is_(None), ApiToken.last_used_at < func.now() - USE_NOTED_EVERY)
        statement = (
            select(User.id, User.owner_key, ApiToken.scopes, ApiToken.id.label("token_id"), noted.label("to_note"))
            .join(ApiToken, ApiToken.user_id == User.id)
            .where(
                ApiToken.digest == key,
                ApiToken.revoked_at.is_(None),
                ApiToken.expires_at > func.now(),
                User.disabled_at.is_(None),
            )
        )
        with unavailable_when_away(), Session(self._engine) as session, session.begin():
            row = session.execute(statement).one_or_none()
            if row is None:
                return None
            if row.to_note:
                used = update(ApiToken).where(ApiToken.id == row.token_id, noted)
                session.execute(used.values(last_used_at=func.now()))
        return Principal(UserId(row.id), row.owner_key, frozenset(map(Scope, row.scopes)))

    def get_active_user(self, user_id: UserId, scopes: frozenset[Scope]) -> Principal | None:
        """The user with these scopes, if it exists and is not disabled."""
        statement = select(User.owner_key).where(User.id == user_id, User.disabled_at.is_(None))
        with unavailable_when_away(), Session(self._engine) as session:
            owner_key = session.scalar(statement)
        return None if owner_key is None else Principal(user_id, owner_key, scopes)

    def ensure_user(self, principal: Principal) -> None:
        """Create a user for this caller unless it exists."""
        values = {"id": principal.user_id, "label": str(principal.user_id), "owner_key": principal.owner_key}
        new = insert(User).values(values).on_conflict_do_nothing(index_elements=[User.id])
        with unavailable_when_away(), Session(self._engine) as session, session.begin():
            session.execute(new)

    def accounts_owned(self, user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        """Those of ``ids`` that are accounts of this user."""
        return self._owned(Account, user_id, ids)

    def tags_owned(self, user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        """Those of ``ids`` that are tags of this user."""
        return self._owned(Tag, user_id, ids)

    def profile(self, user_id: UserId, limit: int) -> Profile:
        """The user's profile. Raises UserNotFound."""
        with unavailable_when_away(), Session(self._engine) as session:
            label = session.scalar(select(User.label).where(User.id == user_id))
            if label is None:
                raise UserNotFound
            return Profile(label, _named(session, Account, user_id, limit), _named(session, Tag, user_id, limit))

    def _owned(self, kind: type[Account | Tag], user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        statement = select(kind.id).where(kind.user_id == user_id, kind.id.in_(ids))
        with unavailable_when_away(), Session(self._engine) as session:
            return frozenset(session.scalars(statement))


def _named(session: Session, kind: type[Account | Tag], user_id: UserId, limit: int) -> tuple[Named, ...]:
    statement = select(kind.id, kind.name).where(kind.user_id == user_id).order_by(kind.name, kind.id).limit(limit)
    return tuple(Named(row.id, row.name) for row in session.execute(statement))
