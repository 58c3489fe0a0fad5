"""The jobs table as a queue: pending exports, and leasing them to be launched.

The queue is fair between users (start-time fair queueing; Goyal, Vin and Cheng 1996). Each export gets a start tag
``turn`` when it is stored: one more than the user's latest export that is waiting or has started, but at least the
current virtual time, which is the turn of the first export in the queue. So a user without exports in the queue waits
for at most one export of each other user, and a user with many does not pay for capacity that was unused. Leasing reads
no more of the queue than it takes.

Each lease has a number, which makes its run key unique. It is not an attempt: attempts are counted when a worker claims
the export.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Interval, Row, func, or_, select, text, tuple_, type_coerce, update

from analytics_exports.database.engine import Transactions
from analytics_exports.database.models import Job
from analytics_exports.database.notifications import PENDING
from analytics_exports.domain.export import JobId, Launch, Status
from analytics_exports.reconnecting import retry_while_away

# Before ``launches`` existed, ``attempt`` counted leases: a run key must not occur twice.
LEASE_PENDING = text("""
    WITH chosen AS (
        SELECT id, turn FROM jobs WHERE status = 'pending' AND launch_after <= now()
        ORDER BY turn, created_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
    )
    UPDATE jobs SET launches = greatest(launches, attempt) + 1, launch_after = now() + :hold
    FROM chosen WHERE jobs.id = chosen.id
    RETURNING jobs.id, jobs.launches, jobs.turn, jobs.created_at, jobs.metadata->>'request_id' AS request_id
""")

TIME_TO_NEXT_LAUNCH = select(type_coerce(func.min(Job.launch_after) - func.now(), Interval)).where(
    Job.status == Status.PENDING
)


def next_turn(user_id: ColumnElement[UUID]) -> ColumnElement[int]:
    """SQL for the turn of a new export of this user."""
    waiting = select(func.min(Job.turn)).where(Job.status == Status.PENDING, Job.attempt == 0)
    begun = select(func.max(Job.turn)).where(Job.started_at.is_not(None))
    own = or_(Job.started_at.is_not(None), Job.status == Status.PENDING)
    after_own = select(func.max(Job.turn) + 1).where(Job.user_id == user_id, own)
    now = func.coalesce(waiting.scalar_subquery(), begun.scalar_subquery(), 0)
    return func.greatest(now, after_own.scalar_subquery())


class PostgresQueue(Transactions):
    """The launching part of ``ports.WorkerJobs``; raises DatabaseUnavailable when PostgreSQL does not respond."""

    def lease_pending(self, limit: int, ttl: timedelta) -> Sequence[Launch]:
        """Lease pending exports, fair between users."""
        rows: list[Row[Any]] = []

        def lease() -> list[Row[Any]]:
            """A try whose rows arrived may have been committed: then its leases are ours. So it is a transaction."""
            if rows and (kept := self._still_leased(rows)):
                return kept
            with self._transaction() as connection:
                rows[:] = connection.execute(LEASE_PENDING, {"limit": limit, "hold": ttl})
            return rows

        found = sorted(retry_while_away(self.retry_seconds, lease), key=lambda row: (row.turn, row.created_at, row.id))
        return [Launch(JobId(row.id), row.launches, row.request_id) for row in found]

    def _still_leased(self, rows: Collection[Row[Any]]) -> list[Row[Any]]:
        """Those of ``rows`` whose lease is the one in the table."""
        same = tuple_(Job.id, Job.launches).in_([(row.id, row.launches) for row in rows])
        with self._statement() as connection:
            ids = set(connection.scalars(select(Job.id).where(same, Job.status == Status.PENDING)))
        return [row for row in rows if row.id in ids]

    def time_to_next_launch(self) -> timedelta | None:
        """How long until the next pending export can be leased."""
        with self._statement() as connection:
            return connection.scalar(TIME_TO_NEXT_LAUNCH)

    def unlease(self, launches: Collection[Launch]) -> None:
        """Return these leases; exports that were claimed, or leased anew, stay as they are."""
        held = tuple_(Job.id, Job.launches).in_([(launch.job_id, launch.number) for launch in launches])
        with self._transaction() as connection:
            connection.execute(update(Job).where(held, Job.status == Status.PENDING).values(launch_after=func.now()))
            connection.execute(select(func.pg_notify(PENDING, "")))

    def started_since(self, age: timedelta) -> bool:
        """Whether runs still start exports."""
        lately = select(Job.id).where(Job.status == Status.RUNNING, Job.started_at > func.now() - age)
        with self._statement() as connection:
            return bool(connection.scalar(select(lately.exists())))
