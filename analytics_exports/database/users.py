"""The port ``UserStore`` on PostgreSQL: operators create, list, disable and enable users.

Authentication, on each request, belongs to ``directory``; tokens belong to ``token_store``.
"""

from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID, uuid4

from sqlalchemy import Engine, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from analytics_exports.database import transitions
from analytics_exports.database.models import Job, User
from analytics_exports.domain.access import UserId, UserRecord
from analytics_exports.domain.errors import UserNotFound
from analytics_exports.ports import UserExists
from analytics_exports.reconnecting import unavailable_when_away


class PostgresUserStore:
    """Implements ``ports.UserStore``. Methods raise DatabaseUnavailable when PostgreSQL does not respond."""

    def __init__(self, engine: Engine) -> None:
        """Use the database of ``engine``."""
        self._engine = engine

    def add(self, label: str, owner_key: str | None = None, user_id: UUID | None = None) -> UserRecord:
        """Create a user. Raises UserExists."""
        new = user_id or uuid4()
        values = {"id": new, "label": label, "owner_key": owner_key or str(new)}
        with unavailable_when_away(), Session(self._engine) as session, session.begin():
            try:
                return _record(session.scalars(insert(User).values(values).returning(User)).one())
            except IntegrityError:
                raise UserExists from None

    def all(self) -> Sequence[UserRecord]:
        """Every user, ordered by label."""
        with unavailable_when_away(), Session(self._engine) as session:
            return [_record(row) for row in session.scalars(select(User).order_by(User.label, User.id))]

    def find(self, who: str) -> UserRecord:
        """The user with this id, owner key or label. Raises UserNotFound, also when several match."""
        fits = [User.owner_key == who, User.label == who]
        with suppress(ValueError):
            fits.append(User.id == UUID(who))
        with unavailable_when_away(), Session(self._engine) as session:
            rows = session.scalars(select(User).where(or_(*fits)).limit(2)).all()
            if len(rows) != 1:
                raise UserNotFound("No user fits, or more than one; take the id that `users list` shows.")
            return _record(rows[0])

    def disable(self, user_id: UserId) -> None:
        """Refuse this user from the next request on, cancel their unfinished exports and expire their files."""
        mine = Job.user_id == user_id
        with unavailable_when_away(), Session(self._engine) as session, session.begin():
            _set(session, user_id, func.coalesce(User.disabled_at, func.now()))
            session.execute(transitions.cancel(mine))
            session.execute(transitions.expire(mine))

    def enable(self, user_id: UserId) -> None:
        """Accept the tokens of this user again."""
        with unavailable_when_away(), Session(self._engine) as session, session.begin():
            _set(session, user_id, None)


def _set(session: Session, user_id: UserId, disabled_at: object) -> None:
    statement = update(User).where(User.id == user_id).values(disabled_at=disabled_at).returning(User.id)
    if session.scalar(statement) is None:
        raise UserNotFound


def _record(row: User) -> UserRecord:
    return UserRecord(UserId(row.id), row.label, row.owner_key, row.created_at, row.disabled_at)
