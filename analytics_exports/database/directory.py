"""The Directory on PostgreSQL: who a token belongs to, and which accounts and tags are whose."""

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Engine, func, insert, select
from sqlalchemy.orm import Session

from analytics_exports.database.models import Account, ApiToken, Tag, User
from analytics_exports.database.outage import unavailable_when_away
from analytics_exports.database.tokens import digest, new_token
from analytics_exports.domain.access import USER_SCOPES, Principal, Scope, UserId


class PostgresDirectory:
    """Implements ``ports.Directory``. Methods raise DatabaseUnavailable when PostgreSQL does not answer."""

    def __init__(self, engine: Engine) -> None:
        """Read users from the database that ``engine`` connects to."""
        self._engine = engine

    def principal(self, token: str) -> Principal | None:
        """Whose token this is. Asked anew on each request, so that a revocation takes effect at once."""
        key = digest(token)
        if key is None:
            return None
        statement = (
            select(User.id, User.owner_key, ApiToken.scopes)
            .join(ApiToken, ApiToken.user_id == User.id)
            .where(
                ApiToken.digest == key,
                ApiToken.revoked_at.is_(None),
                ApiToken.expires_at > func.now(),
                User.disabled_at.is_(None),
            )
        )
        with unavailable_when_away(), Session(self._engine) as session:
            row = session.execute(statement).one_or_none()
        if row is None:
            return None
        return Principal(UserId(row.id), row.owner_key, frozenset(map(Scope, row.scopes)))

    def issue_token(
        self, user_id: UUID, name: str, lifetime: timedelta, scopes: Collection[Scope] = USER_SCOPES
    ) -> str:
        """Make a token for a user and return its secret, which cannot be had again."""
        token = new_token()
        values = {
            "user_id": user_id,
            "name": name,
            "digest": digest(token),
            "scopes": sorted(scope.value for scope in scopes),
            "expires_at": func.now() + lifetime,
        }
        with unavailable_when_away(), Session(self._engine) as session, session.begin():
            session.execute(insert(ApiToken).values(values))
        return token

    def accounts_owned(self, user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        """Those of ``ids`` that are accounts of this user."""
        return self._owned(Account, user_id, ids)

    def tags_owned(self, user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        """Those of ``ids`` that are tags of this user."""
        return self._owned(Tag, user_id, ids)

    def _owned(self, kind: type[Account | Tag], user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        statement = select(kind.id).where(kind.user_id == user_id, kind.id.in_(ids))
        with unavailable_when_away(), Session(self._engine) as session:
            return frozenset(session.scalars(statement))
