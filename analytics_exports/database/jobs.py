"""The JobStore on PostgreSQL: every transition is one compare-and-set UPDATE on the database's clock.

An attempt is counted when it is handed out for launching (``due``), so each has a run key of its own and a launch that
got lost can be repeated. A claim is the attempt plus a random token: whoever holds the token may heartbeat and publish.
What owners do with their exports is in ``own_jobs``.

While PostgreSQL is away each method is repeated (``reconnecting``). Those that would do something else the second time
find out first what became of the try before.
"""

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    case,
    func,
    literal,
    null,
    or_,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from analytics_exports.database.codec import job_from_row
from analytics_exports.database.models import Cursor, Job
from analytics_exports.database.own_jobs import OwnJobs
from analytics_exports.database.signals import PENDING
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.errors import ClaimLost, DatabaseUnavailable, InternalFailure
from analytics_exports.domain.export import Claim, ExportJob, Failure, JobId, Launch, Status
from analytics_exports.ports import JobStore
from analytics_exports.reconnecting import persist, reconnecting, unavailable_when_away

FIRST_RETRY = timedelta(seconds=2)
"""Wait before the second attempt; doubled for each further one."""

# Round-robin between users: everybody's first export goes before anybody's second. There are more candidates than are
# taken, because others who ask at the same moment have locked the first ones.
DUE = text("""
    WITH waiting AS (
        SELECT id, created_at, row_number() OVER (PARTITION BY user_id ORDER BY created_at, id) AS turn
        FROM jobs WHERE status = 'pending' AND launch_after <= now()
    ), chosen AS (
        SELECT jobs.id, next.turn
        FROM jobs JOIN (SELECT * FROM waiting ORDER BY turn, created_at, id LIMIT 8 * :limit) AS next USING (id)
        WHERE jobs.status = 'pending' AND jobs.launch_after <= now()
        ORDER BY next.turn, next.created_at, id LIMIT :limit FOR UPDATE OF jobs SKIP LOCKED
    )
    UPDATE jobs SET attempt = attempt + 1, launch_after = now() + :hold FROM chosen WHERE jobs.id = chosen.id
    RETURNING jobs.id, jobs.attempt, chosen.turn, jobs.created_at, jobs.metadata->>'request_id' AS request_id
""")


@reconnecting(JobStore, but=("create", "due", "claim", "publishing"))
class PostgresJobStore(OwnJobs):
    """Implements ``ports.JobStore``. Methods raise DatabaseUnavailable when PostgreSQL does not answer."""

    def load(self, job_id: JobId) -> ExportJob | None:
        """An export whoever owns it."""
        with self._transaction() as session:
            row = session.get(Job, job_id)
            return None if row is None else job_from_row(row)

    def due(self, limit: int, hold: timedelta) -> Sequence[Launch]:
        """Attempts to launch now, fair between users."""
        rows: list[Row[Any]] = []

        def hand_out() -> list[Row[Any]]:
            """A try that got as far as its commit may have succeeded: then what it handed out is ours."""
            if rows and (kept := self._handed_out(rows)):
                return kept
            with self._transaction() as session:
                rows[:] = session.execute(DUE, {"limit": limit, "hold": hold})
            return rows

        found = sorted(persist(self.retry_seconds, hand_out), key=lambda row: (row.turn, row.created_at, row.id))
        return [Launch(JobId(row.id), row.attempt, row.request_id) for row in found]

    def _handed_out(self, rows: Collection[Row[Any]]) -> list[Row[Any]]:
        """Those of ``rows`` whose attempt is the one in the table."""
        same = tuple_(Job.id, Job.attempt).in_([(row.id, row.attempt) for row in rows])
        with self._transaction() as session:
            ids = set(session.scalars(select(Job.id).where(same, Job.status == Status.PENDING)))
        return [row for row in rows if row.id in ids]

    def release(self, launches: Collection[Launch]) -> None:
        """Undo ``due`` for these attempts; nothing happens to those that are claimed, or handed out anew."""
        held = tuple_(Job.id, Job.attempt).in_([(launch.job_id, launch.attempt) for launch in launches])
        with self._transaction() as session:
            undone = {"launch_after": func.now(), "attempt": Job.attempt - 1}
            session.execute(update(Job).where(held, Job.status == Status.PENDING).values(undone))
            session.execute(select(func.pg_notify(PENDING, "")))

    def begun_since(self, age: timedelta) -> bool:
        """Whether runs still begin exports."""
        lately = select(Job.id).where(Job.status == Status.RUNNING, Job.started_at > func.now() - age)
        with self._transaction() as session:
            return bool(session.scalar(select(lately.exists())))

    def claim(self, job_id: JobId, run_id: str, lease: timedelta) -> tuple[ExportJob, Claim]:
        """Take a pending export, or a completed one that is to be made again."""
        return persist(self.retry_seconds, self._claim, job_id, run_id, lease, secrets.token_urlsafe(16))

    def _claim(self, job_id: JobId, run_id: str, lease: timedelta, token: str) -> tuple[ExportJob, Claim]:
        """Take it with this token, which an earlier try may have stored already."""
        remake = and_(Job.status == Status.COMPLETED, Job.expires_at > func.now(), _lease_over())
        taken = and_(Job.worker_token == token, Job.status.in_((Status.RUNNING, Status.COMPLETED)))
        statement = (
            update(Job)
            .where(Job.id == job_id, or_(Job.status == Status.PENDING, remake, taken))
            .values(
                status=case((Job.status == Status.PENDING, Status.RUNNING.value), else_=Job.status),
                attempt=func.greatest(Job.attempt, 1),
                dagster_run_id=run_id,
                worker_token=token,
                lease_until=func.now() + lease,
                started_at=func.coalesce(Job.started_at, func.now()),
                **_no_error(),
            )
            .returning(Job)
            .execution_options(synchronize_session=False)
        )
        with self._transaction() as session:
            row = session.scalars(statement).one_or_none()
            if row is None:
                raise ClaimLost
            with suppress(KeyError, TypeError, ValueError):
                return job_from_row(row), Claim(job_id, row.attempt, token)
            malformed = and_(Job.id == job_id, Job.status == Status.RUNNING)
            session.execute(_end(malformed, Failure.of(InternalFailure), 0))
        raise InternalFailure

    def renew(self, claim: Claim, lease: timedelta, progress: Mapping[str, object]) -> bool:
        """Prolong the lease and store progress."""
        values = {Job.lease_until: func.now() + lease, Job.details: Job.details.concat({"progress": dict(progress)})}
        with self._transaction() as session:
            return session.scalar(update(Job).where(_held(claim)).values(values).returning(Job.id)) is not None

    @contextmanager
    def publishing(self, claim: Claim) -> Iterator[None]:
        """Hold the row, so that nobody can cancel or take over between the check and the file becoming visible.

        The lock goes with the connection. When that is lost inside the block, the claim is looked at once more. If it
        is still there it was there all the time: a token is never given out again.
        """
        with persist(self.retry_seconds, self._locked, claim) as session:
            yield
            try:
                with unavailable_when_away():
                    session.commit()
            except DatabaseUnavailable:
                persist(self.retry_seconds, self._confirm, claim)

    def _locked(self, claim: Claim) -> Session:
        """A session that holds the row of the claim. Raises ClaimLost."""
        held = select(Job.id).where(_held(claim), Job.lease_until > func.now()).with_for_update()
        with ExitStack() as unless_it_holds, unavailable_when_away():
            session = unless_it_holds.enter_context(Session(self._engine))
            if session.scalar(held) is None:
                raise ClaimLost
            unless_it_holds.pop_all()
        return session

    def _confirm(self, claim: Claim) -> None:
        """Raise ClaimLost unless the claim is the current one."""
        with self._transaction() as session:
            if session.scalar(select(Job.id).where(_held(claim))) is None:
                raise ClaimLost

    def complete(self, claim: Claim, artifact: Artifact, retention: timedelta) -> bool:
        """Running becomes completed. A file made again keeps the time at which it expires."""
        expires_at = func.coalesce(Job.expires_at, func.now() + retention)
        facts = Job.details.op("-")("progress").concat(artifact.to_plain())
        values = {
            Job.status: Status.COMPLETED.value,
            Job.completed_at: func.coalesce(Job.completed_at, func.now()),
            Job.expires_at: expires_at,
            Job.lease_until: null(),
            Job.details: facts.concat(func.jsonb_build_object("expires_at", expires_at)),
        }
        with self._transaction() as session:
            statement = update(Job).where(_held(claim)).values(values).execution_options(synchronize_session=False)
            return session.scalar(statement.returning(Job.id)) is not None

    def give_up(self, claim: Claim, failure: Failure, max_attempts: int) -> bool:
        """End an attempt; a completed export that was being made again stays as it was."""
        with self._transaction() as session:
            kept = update(Job).where(_held(claim), Job.status == Status.COMPLETED).values(lease_until=null())
            if session.scalar(kept.returning(Job.id)) is not None:
                return True
            ended = _end(and_(_held(claim), Job.status == Status.RUNNING), failure, max_attempts)
            return session.scalar(ended) is not None

    def run_ended(self, run_id: str, failure: Failure, max_attempts: int) -> int:
        """End the attempts that this run still holds."""
        held = and_(Job.dagster_run_id == run_id, Job.status == Status.RUNNING)
        with self._transaction() as session:
            return len(session.scalars(_end(held, failure, max_attempts)).all())

    def overdue(self, limit: int) -> Sequence[tuple[ExportJob, Claim]]:
        """Running exports whose lease is over."""
        statement = (
            select(Job).where(Job.status == Status.RUNNING, _lease_over()).order_by(Job.lease_until).limit(limit)
        )
        with self._transaction() as session:
            rows = session.scalars(statement).all()
            return [(job_from_row(row), Claim(JobId(row.id), row.attempt, row.worker_token or "")) for row in rows]

    def expire(self, limit: int) -> Sequence[ExportJob]:
        """Expire what is past its time; return what still has a file to remove."""
        past = select(Job.id).where(Job.status == Status.COMPLETED, Job.expires_at <= func.now())
        chosen = past.order_by(Job.expires_at).limit(limit).with_for_update(skip_locked=True)
        gone = update(Job).where(Job.id.in_(chosen.scalar_subquery())).values(status=Status.EXPIRED.value)
        left = select(Job).where(Job.status == Status.EXPIRED, Job.file_removed_at.is_(None)).limit(limit)
        with self._transaction() as session:
            session.execute(gone)
            return [job_from_row(row) for row in session.scalars(left)]

    def forget_keys(self, age: timedelta) -> int:
        """Forget Idempotency-Keys that are older than ``age``."""
        old = and_(Job.idempotency_key.is_not(None), Job.created_at < func.now() - age)
        statement = update(Job).where(old).values(idempotency_key=None, request_digest=None).returning(Job.id)
        with self._transaction() as session:
            return len(session.scalars(statement).all())

    def file_removed(self, job_ids: Collection[JobId]) -> None:
        """Note that the files of these expired exports are gone."""
        statement = update(Job).where(Job.id.in_(job_ids), Job.status == Status.EXPIRED)
        with self._transaction() as session:
            session.execute(statement.values(file_removed_at=func.now()))

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


def _held(claim: Claim) -> ColumnElement[bool]:
    """The row, as long as this claim is the current one and not ended."""
    return and_(
        Job.id == claim.job_id,
        Job.attempt == claim.attempt,
        Job.worker_token == claim.token,
        Job.status.in_((Status.RUNNING, Status.COMPLETED)),
        Job.lease_until.is_not(None),
    )


def _lease_over() -> ColumnElement[bool]:
    return or_(Job.lease_until.is_(None), Job.lease_until < func.now())


def _end(which: ColumnElement[bool], failure: Failure, max_attempts: int) -> Any:  # noqa: ANN401 - Update[tuple[UUID]] is not expressible
    """Back to pending with a growing wait when another attempt can help, failed otherwise."""
    again = and_(literal(failure.retryable), Job.attempt < max_attempts)
    values = {
        "status": case((again, Status.PENDING.value), else_=Status.FAILED.value),
        "completed_at": case((again, null()), else_=func.now()),
        "launch_after": func.now() + FIRST_RETRY * func.power(2, func.greatest(Job.attempt - 1, 0)),
        "lease_until": null(),
        "error_code": failure.code,
        "error_message": failure.message,
        "retryable": failure.retryable,
    }
    return update(Job).where(which).values(values).returning(Job.id)


def _no_error() -> dict[str, Any]:
    return {"error_code": null(), "error_message": null(), "retryable": null()}
