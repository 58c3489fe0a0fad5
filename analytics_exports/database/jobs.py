"""The port ``JobStore`` on PostgreSQL: every transition is one compare-and-set UPDATE on the database's clock.

A claim consists of the number of the attempt and a random token: whoever holds the token may renew the lease and
publish. What users do is in ``owner_jobs``, launching in ``queue``, the event log projection's part in
``event_positions``.

Each method is retried while PostgreSQL is away (``reconnecting``). A method that would do something else the second
time first checks what became of the previous try.
"""

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from functools import partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    func,
    literal,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Session

from analytics_exports.database.codec import job_from_row, skip_malformed
from analytics_exports.database.event_positions import EventPositions
from analytics_exports.database.models import Job
from analytics_exports.database.owner_jobs import OwnerJobs
from analytics_exports.database.queue import LaunchQueue
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.errors import ClaimLost, DatabaseUnavailable, InternalFailure
from analytics_exports.domain.export import TRANSIENT_RETRY_PERIOD, Claim, ExportJob, Failure, JobId, Status
from analytics_exports.ports import JobStore
from analytics_exports.reconnecting import reconnecting, retry_while_away, unavailable_when_away

FIRST_RETRY, MAX_RETRY = timedelta(seconds=2), timedelta(seconds=30)
"""Wait before the second attempt; doubled for each further one, up to the second value."""

REPLACEMENT = "replacement"
"""Key in ``metadata``: the facts of a file that is replacing another at this moment."""

JITTER = 0.5
"""Fraction by which a wait may be shortened at random, so that exports that failed together do not retry together."""


@reconnecting(JobStore, excluding=(JobStore.create, JobStore.lease_pending, JobStore.claim, JobStore.publishing))
class PostgresJobStore(OwnerJobs, LaunchQueue, EventPositions):
    """Implements ``ports.JobStore``. Methods raise DatabaseUnavailable when PostgreSQL does not respond."""

    def load(self, job_id: JobId) -> ExportJob | None:
        """An export of any user."""
        with self._transaction() as session:
            row = session.get(Job, job_id)
            return None if row is None else job_from_row(row)

    def claim(self, job_id: JobId, run_id: str, lease: timedelta, *, remake: bool = False) -> tuple[ExportJob, Claim]:
        """Claim a pending export, or a completed one that is to be made again."""
        token = secrets.token_urlsafe(16)
        return retry_while_away(self.retry_seconds, self._claim, job_id, run_id, lease, token, remake=remake)

    def _claim(
        self, job_id: JobId, run_id: str, lease: timedelta, token: str, *, remake: bool
    ) -> tuple[ExportJob, Claim]:
        """Claim it with this token, which an earlier try may have stored already."""
        pending = Job.status == Status.PENDING
        again = and_(literal(remake), Job.status == Status.COMPLETED, Job.expires_at > func.now(), _lease_over())
        already_claimed = and_(Job.worker_token == token, Job.status.in_((Status.RUNNING, Status.COMPLETED)))
        statement = (
            update(Job)
            .where(Job.id == job_id, or_(pending, again, already_claimed))
            .values(
                status=case((pending, Status.RUNNING.value), else_=Job.status),
                attempt=Job.attempt + case((already_claimed, 0), else_=1),
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
        """Extend the lease and store progress."""
        values = {Job.lease_until: func.now() + lease, Job.details: Job.details.concat({"progress": dict(progress)})}
        with self._transaction() as session:
            return session.scalar(update(Job).where(_current_claim(claim)).values(values).returning(Job.id)) is not None

    @contextmanager
    def publishing(self, claim: Claim, replacement: Artifact | None = None) -> Iterator[None]:
        """Lock the row, so that nobody can cancel or take over between the check and the file becoming visible.

        The lock ends with the connection. When the connection is lost inside the block, the claim is checked once more:
        if it is still there, it was there all the time, because a token is never issued again.

        The facts of a replacement are stored before, so that readers know the file as soon as it is visible, and
        replace those of the artifact at the end of the block.
        """
        if replacement is not None:
            retry_while_away(self.retry_seconds, self._note_replacement, claim, replacement)
        with retry_while_away(self.retry_seconds, self._locked, claim) as session:
            yield
            try:
                with unavailable_when_away():
                    if replacement is not None:
                        session.execute(_replace(claim))
                    session.commit()
            except DatabaseUnavailable:
                retry_while_away(self.retry_seconds, self._confirm, claim)

    def _note_replacement(self, claim: Claim, replacement: Artifact) -> None:
        """Store the facts of the file that is about to be published. Raises ClaimLost."""
        noted = Job.details.concat({REPLACEMENT: replacement.to_plain()})
        with self._transaction() as session:
            noting = update(Job).where(_current_claim(claim)).values({Job.details: noted}).returning(Job.id)
            if session.scalar(noting) is None:
                raise ClaimLost

    def _locked(self, claim: Claim) -> Session:
        """A session that has locked the row of the claim. Raises ClaimLost."""
        held = select(Job.id).where(_current_claim(claim), Job.lease_until > func.now()).with_for_update()
        with ExitStack() as unless_it_holds, unavailable_when_away():
            session = unless_it_holds.enter_context(Session(self._engine))
            if session.scalar(held) is None:
                raise ClaimLost
            unless_it_holds.pop_all()
        return session

    def _confirm(self, claim: Claim) -> None:
        """Raise ClaimLost unless the claim is the current one."""
        with self._transaction() as session:
            if session.scalar(select(Job.id).where(_current_claim(claim))) is None:
                raise ClaimLost

    def complete(self, claim: Claim, artifact: Artifact, retention: timedelta) -> bool:
        """Running becomes completed. A file that is made again keeps its expiry time."""
        expires_at = func.coalesce(Job.expires_at, func.now() + retention)
        facts = Job.details.op("-")("progress").op("-")(REPLACEMENT).concat(artifact.to_plain())
        values = {
            Job.status: Status.COMPLETED.value,
            Job.completed_at: func.coalesce(Job.completed_at, func.now()),
            Job.expires_at: expires_at,
            Job.lease_until: null(),
            Job.details: facts.concat(func.jsonb_build_object("expires_at", expires_at)),
        }
        with self._transaction("dagster") as session:
            statement = (
                update(Job).where(_current_claim(claim)).values(values).execution_options(synchronize_session=False)
            )
            return session.scalar(statement.returning(Job.id)) is not None

    def fail_attempt(self, claim: Claim, failure: Failure, max_attempts: int) -> bool:
        """End an attempt. A completed export that was being made again stays completed."""
        with self._transaction() as session:
            values = {Job.lease_until: null(), Job.details: Job.details.op("-")(REPLACEMENT)}
            kept = update(Job).where(_current_claim(claim), Job.status == Status.COMPLETED).values(values)
            if session.scalar(kept.returning(Job.id)) is not None:
                return True
            ended = _end(and_(_current_claim(claim), Job.status == Status.RUNNING), failure, max_attempts)
            return session.scalar(ended) is not None

    def fail_run(self, run_id: str, failure: Failure, max_attempts: int) -> Sequence[JobId]:
        """End the attempts that this run still holds."""
        held = and_(Job.dagster_run_id == run_id, Job.status == Status.RUNNING)
        with self._transaction("dagster") as session:
            return [JobId(job_id) for job_id in session.scalars(_end(held, failure, max_attempts))]

    def expired_leases(self, limit: int) -> Sequence[Claim]:
        """Claims on running exports whose lease has expired."""
        statement = (
            select(Job).where(Job.status == Status.RUNNING, _lease_over()).order_by(Job.lease_until).limit(limit)
        )
        with self._transaction() as session:
            rows = session.scalars(statement).all()
            return [Claim(JobId(row.id), row.attempt, row.worker_token or "") for row in rows]

    def expire(self, limit: int) -> Sequence[ExportJob]:
        """Expire what is past its retention. Returns the expired exports whose file is not removed yet."""
        past = select(Job.id).where(Job.status == Status.COMPLETED, Job.expires_at <= func.now())
        chosen = past.order_by(Job.expires_at).limit(limit).with_for_update(skip_locked=True)
        gone = update(Job).where(Job.id.in_(chosen.scalar_subquery())).values(status=Status.EXPIRED.value)
        left = select(Job).where(Job.status == Status.EXPIRED, Job.file_removed_at.is_(None)).limit(limit)
        with self._transaction() as session:
            session.execute(gone)
            return list(skip_malformed((row.id, partial(job_from_row, row)) for row in session.scalars(left)))

    def delete_idempotency_keys(self, age: timedelta) -> int:
        """Delete idempotency keys that are older than ``age``."""
        old = and_(Job.idempotency_key.is_not(None), Job.created_at < func.now() - age)
        statement = update(Job).where(old).values(idempotency_key=None, request_digest=None).returning(Job.id)
        with self._transaction() as session:
            return len(session.scalars(statement).all())

    def mark_files_removed(self, job_ids: Collection[JobId]) -> None:
        """Record that the files of these expired exports have been removed."""
        statement = update(Job).where(Job.id.in_(job_ids), Job.status == Status.EXPIRED)
        with self._transaction() as session:
            session.execute(statement.values(file_removed_at=func.now()))


def _replace(claim: Claim) -> Any:  # noqa: ANN401 - as ``_end``
    """Replace the facts of the old file by the stored ones of the new file."""
    facts = Job.details.op("-")(REPLACEMENT).concat(Job.details[REPLACEMENT])
    noted = and_(_current_claim(claim), Job.details.has_key(REPLACEMENT))
    return update(Job).where(noted).values({Job.details: facts}).execution_options(synchronize_session=False)


def _current_claim(claim: Claim) -> ColumnElement[bool]:
    """The row, provided this claim is the current one and has not ended."""
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
    since = func.coalesce(Job.failing_since, func.now())
    losses = Job.losses + (0 if failure.transient else 1)
    may_retry = or_(Job.attempt < max_attempts, func.now() < since + TRANSIENT_RETRY_PERIOD)
    again = and_(literal(failure.retryable), may_retry if failure.transient else losses < max_attempts)
    doubled = FIRST_RETRY * func.power(2, func.least(func.greatest(Job.attempt - 1, 0), 10))
    values = {
        "status": case((again, Status.PENDING.value), else_=Status.FAILED.value),
        "completed_at": case((again, null()), else_=func.now()),
        "launch_after": func.now() + func.least(doubled, MAX_RETRY) * (1 - JITTER * func.random()),
        "failing_since": since,
        "losses": losses,
        "lease_until": null(),
        "error_code": failure.code,
        "error_message": failure.message,
        "retryable": failure.retryable,
    }
    return update(Job).where(which).values(values).returning(Job.id)


def _no_error() -> dict[str, Any]:
    return {"error_code": null(), "error_message": null(), "retryable": null()}
