"""The jobs table for maintenance: the event log projection, and the end of exports."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from functools import partial

from sqlalchemy import and_, bindparam, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert as upsert

from analytics_exports.database import transitions
from analytics_exports.database.codec import job_from_row, skip_malformed
from analytics_exports.database.engine import Transactions
from analytics_exports.database.models import Cursor, Job, SkippedEvent
from analytics_exports.database.transitions import NOT_FLUSHED, lease_is_over
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.export import Claim, ExportJob, Failure, JobId, Status

FIRST_EVENT_RETRY, MAX_EVENT_RETRY = timedelta(seconds=1), timedelta(minutes=5)
"""Wait before a skipped event is retried; doubled each time, up to the second value."""


COMPLETE = transitions.complete().returning(Job.id)
EXPIRED_LEASES = (
    select(Job.id, Job.attempt, func.coalesce(Job.worker_token, "").label("token"))
    .where(Job.status == Status.RUNNING, lease_is_over())
    .order_by(Job.lease_until)
    .limit(bindparam("most"))
)
READ_CURSOR = select(Cursor.position).where(Cursor.name == bindparam("of_name"))
NEW_CURSOR = upsert(Cursor).values(name=bindparam("of_name"), position=bindparam("reached"))
ADVANCE_CURSOR = NEW_CURSOR.on_conflict_do_update(
    index_elements=[Cursor.name], set_={"position": func.greatest(Cursor.position, NEW_CURSOR.excluded.position)}
).returning(NOT_FLUSHED)
"""A position that is lost is read again, and what follows it applied once more, which changes nothing."""

SKIPPED_EVENTS = (
    select(SkippedEvent.position)
    .where(SkippedEvent.try_after <= func.now())
    .order_by(SkippedEvent.try_after)
    .limit(bindparam("most"))
)


class PostgresMaintenanceJobs(Transactions):
    """Implements ``ports.MaintenanceJobs``, but for what workers do as well.

    Methods raise DatabaseUnavailable when PostgreSQL does not respond.
    """

    def complete(self, claim: Claim, artifact: Artifact, retention: timedelta) -> bool:
        """Running becomes completed."""
        return claim.job_id in self.complete_all({claim: artifact}, retention)

    def complete_all(self, published: Mapping[Claim, Artifact], retention: timedelta) -> Collection[JobId]:
        """Running becomes completed, for several exports in one statement."""
        rows = [
            {"job_id": str(claim.job_id), "attempt": claim.attempt, "token": claim.token, "artifact": facts.to_plain()}
            for claim, facts in published.items()
        ]
        with self._transaction("dagster") as connection:
            completed = connection.execute(COMPLETE, {"published": rows, "retention": retention})
            return {JobId(row.id) for row in completed}

    def fail_run(self, run_id: str, failure: Failure, max_attempts: int) -> Sequence[JobId]:
        """End the attempts that this run still holds."""
        ended = transitions.end_attempt(Job.dagster_run_id == run_id, failure, max_attempts)
        with self._transaction("dagster") as connection:
            return [JobId(job_id) for job_id in connection.scalars(ended.returning(Job.id))]

    def expired_leases(self, limit: int) -> Sequence[Claim]:
        """Claims on running exports whose lease has expired."""
        with self._statement() as connection:
            rows = connection.execute(EXPIRED_LEASES, {"most": limit})
            return [Claim(JobId(row.id), row.attempt, row.token) for row in rows]

    def expire(self, limit: int) -> Sequence[ExportJob]:
        """Expire what is past its retention. Returns the expired exports whose file is not removed yet."""
        past = select(Job.id).where(Job.status == Status.COMPLETED, Job.expires_at <= func.now())
        chosen = past.order_by(Job.expires_at).limit(limit).with_for_update(skip_locked=True)
        left = select(Job).where(Job.status == Status.EXPIRED, Job.file_removed_at.is_(None)).limit(limit)
        with self._transaction() as connection:
            connection.execute(transitions.expire(Job.id.in_(chosen.scalar_subquery())))
            rows = connection.execute(left).all()
        return list(skip_malformed((row.id, partial(job_from_row, row)) for row in rows))

    def mark_files_removed(self, job_ids: Collection[JobId]) -> None:
        """Record that the files of these expired exports have been removed."""
        statement = update(Job).where(Job.id.in_(job_ids), Job.status == Status.EXPIRED)
        with self._statement() as connection:
            connection.execute(statement.values(file_removed_at=func.now()))

    def delete_idempotency_keys(self, age: timedelta) -> int:
        """Delete idempotency keys that are older than ``age``."""
        old = and_(Job.idempotency_key.is_not(None), Job.created_at < func.now() - age)
        statement = update(Job).where(old).values(idempotency_key=None, request_digest=None).returning(Job.id)
        with self._statement() as connection:
            return len(connection.scalars(statement).all())

    def read_cursor(self, name: str) -> int:
        """The stored position of a reader."""
        with self._statement() as connection:
            return connection.scalar(READ_CURSOR, {"of_name": name}) or 0

    def advance_cursor(self, name: str, position: int) -> None:
        """Store the position of a reader; an older one does not replace a newer one."""
        with self._statement() as connection:
            connection.execute(ADVANCE_CURSOR, {"of_name": name, "reached": position})

    def skip_event(self, position: int, reason: str) -> None:
        """Record that an event could not be applied."""
        doubled = FIRST_EVENT_RETRY * func.power(2, func.least(SkippedEvent.tries, 10))
        wait = func.least(MAX_EVENT_RETRY, doubled)
        new = upsert(SkippedEvent).values(position=position, reason=reason, try_after=func.now() + FIRST_EVENT_RETRY)
        again = {"reason": reason, "tries": SkippedEvent.tries + 1, "try_after": func.now() + wait}
        with self._statement() as connection:
            connection.execute(new.on_conflict_do_update(index_elements=[SkippedEvent.position], set_=again))

    def skipped_events(self, limit: int) -> Sequence[int]:
        """Events whose retry is due."""
        with self._statement() as connection:
            return connection.scalars(SKIPPED_EVENTS, {"most": limit}).all()

    def count_skipped_events(self) -> int:
        """The number of skipped events."""
        with self._statement() as connection:
            return connection.scalar(select(func.count()).select_from(SkippedEvent)) or 0

    def unskip_event(self, position: int) -> None:
        """Record that an event was applied after all, or no longer exists."""
        with self._statement() as connection:
            connection.execute(delete(SkippedEvent).where(SkippedEvent.position == position))
