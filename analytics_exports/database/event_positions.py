"""How far Dagster's event log was read back, and which of its events could not be. Part of the JobStore."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from analytics_exports.database.models import Cursor, SkippedEvent
from analytics_exports.database.transactions import Transactions

FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=1), timedelta(minutes=5)
"""Wait before a skipped event is tried again; doubled each time, up to the longest."""


class EventPositions(Transactions):
    """The read-back's part of ``ports.JobStore``. Methods raise DatabaseUnavailable without PostgreSQL."""

    def cursor(self, name: str) -> int:
        """The stored position of a reader."""
        with self._transaction() as session:
            return session.scalar(select(Cursor.position).where(Cursor.name == name)) or 0

    def advance(self, name: str, position: int) -> None:
        """Store the position of a reader; an older one does not replace a newer one."""
        new = upsert(Cursor).values(name=name, position=position)
        furthest = func.greatest(Cursor.position, new.excluded.position)
        with self._transaction() as session:
            session.execute(new.on_conflict_do_update(index_elements=[Cursor.name], set_={"position": furthest}))

    def skip(self, position: int, reason: str) -> None:
        """Note that an event could not be read back."""
        wait = func.least(LONGEST_RETRY, FIRST_RETRY * func.power(2, func.least(SkippedEvent.tries, 10)))
        new = upsert(SkippedEvent).values(position=position, reason=reason, try_after=func.now() + FIRST_RETRY)
        again = {"reason": reason, "tries": SkippedEvent.tries + 1, "try_after": func.now() + wait}
        with self._transaction() as session:
            session.execute(new.on_conflict_do_update(index_elements=[SkippedEvent.position], set_=again))

    def skipped(self, limit: int) -> Sequence[int]:
        """Events to try again now."""
        due = select(SkippedEvent.position).where(SkippedEvent.try_after <= func.now())
        with self._transaction() as session:
            return session.scalars(due.order_by(SkippedEvent.try_after).limit(limit)).all()

    def count_skipped(self) -> int:
        """How many events wait to be tried again."""
        with self._transaction() as session:
            return session.scalar(select(func.count()).select_from(SkippedEvent)) or 0

    def unskip(self, position: int) -> None:
        """Note that an event was read back after all, or is gone."""
        with self._transaction() as session:
            session.execute(delete(SkippedEvent).where(SkippedEvent.position == position))
