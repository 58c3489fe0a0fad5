"""The JobStore's part for the event log projection: how far the log was read, and which events were skipped."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert as upsert

from analytics_exports.database.models import Cursor, SkippedEvent
from analytics_exports.database.transactions import Transactions

FIRST_RETRY, MAX_RETRY = timedelta(seconds=1), timedelta(minutes=5)
"""Wait before a skipped event is retried; doubled each time, up to the second value."""


class EventPositions(Transactions):
    """The projection's part of ``ports.JobStore``."""

    def read_cursor(self, name: str) -> int:
        """The stored position of a reader."""
        with self._transaction() as session:
            return session.scalar(select(Cursor.position).where(Cursor.name == name)) or 0

    def advance_cursor(self, name: str, position: int) -> None:
        """Store the position of a reader; an older one does not replace a newer one."""
        new = upsert(Cursor).values(name=name, position=position)
        furthest = func.greatest(Cursor.position, new.excluded.position)
        with self._transaction() as session:
            session.execute(new.on_conflict_do_update(index_elements=[Cursor.name], set_={"position": furthest}))

    def skip_event(self, position: int, reason: str) -> None:
        """Record that an event could not be applied."""
        wait = func.least(MAX_RETRY, FIRST_RETRY * func.power(2, func.least(SkippedEvent.tries, 10)))
        new = upsert(SkippedEvent).values(position=position, reason=reason, try_after=func.now() + FIRST_RETRY)
        again = {"reason": reason, "tries": SkippedEvent.tries + 1, "try_after": func.now() + wait}
        with self._transaction() as session:
            session.execute(new.on_conflict_do_update(index_elements=[SkippedEvent.position], set_=again))

    def skipped_events(self, limit: int) -> Sequence[int]:
        """Events whose retry is due."""
        due = select(SkippedEvent.position).where(SkippedEvent.try_after <= func.now())
        with self._transaction() as session:
            return session.scalars(due.order_by(SkippedEvent.try_after).limit(limit)).all()

    def count_skipped_events(self) -> int:
        """The number of skipped events."""
        with self._transaction() as session:
            return session.scalar(select(func.count()).select_from(SkippedEvent)) or 0

    def unskip_event(self, position: int) -> None:
        """Record that an event was applied after all, or no longer exists."""
        with self._transaction() as session:
            session.execute(delete(SkippedEvent).where(SkippedEvent.position == position))
