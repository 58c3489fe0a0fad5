"""The state transitions of exports: each is one UPDATE that applies only in a state that allows it.

Which states may follow which is ``domain.export.NEXT``; a trigger in the database refuses every other transition. All
times are on the database's clock.
"""

from datetime import timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Interval,
    Text,
    Update,
    Uuid,
    and_,
    bindparam,
    case,
    column,
    func,
    literal,
    null,
    or_,
    update,
)
from sqlalchemy.dialects.postgresql import JSONB

from analytics_exports.database.models import Job
from analytics_exports.domain.export import NEXT, TRANSIENT_RETRY_PERIOD, Claim, Failure, Status

FIRST_RETRY, MAX_RETRY = timedelta(seconds=2), timedelta(seconds=30)
"""Wait before the second attempt; doubled for each further one, up to the second value."""

JITTER = 0.5
"""Fraction by which a wait may be shortened at random, so that exports that failed together do not retry together."""

REPLACEMENT = "replacement"
"""Key in ``metadata``: the facts of a file that is replacing another at this moment."""

NOT_FLUSHED = func.set_config("synchronous_commit", "off", True)  # noqa: FBT003 - local to the transaction
"""Selected by a transaction whose effect may be lost when PostgreSQL crashes: its commit does not wait for the disk.

Whatever commits after it and waits makes it durable too, because PostgreSQL writes its log in order.
"""


def may_become(status: Status) -> ColumnElement[bool]:
    """Whether an export is in a state that ``status`` may follow."""
    return Job.status.in_(sorted(before for before, following in NEXT.items() if status in following))


def lease_is_over() -> ColumnElement[bool]:
    """Whether no claim on an export is alive."""
    return or_(Job.lease_until.is_(None), Job.lease_until < func.now())


def is_current(job_id: object, attempt: object, token: object) -> ColumnElement[bool]:
    """The row of a claim, provided the claim is the current one and has not ended."""
    return and_(
        Job.id == job_id,
        Job.attempt == attempt,
        Job.worker_token == token,
        Job.status.in_((Status.RUNNING, Status.COMPLETED)),
        Job.lease_until.is_not(None),
    )


IS_CURRENT = is_current(bindparam("of_job"), bindparam("of_attempt"), bindparam("of_token"))
"""The row of the claim that ``parameters`` name."""


def parameters(claim: Claim) -> dict[str, object]:
    """The parameters of ``IS_CURRENT``."""
    return {"of_job": claim.job_id, "of_attempt": claim.attempt, "of_token": claim.token}


def claim_attempt() -> Update:
    """Pending becomes running. Idempotent: an earlier try may have stored the token already.

    Parameters of the statement: ``of_job``, ``of_token``, ``run_id``, ``lease``, and ``remake``, whether a completed
    export may be claimed too; it stays completed.
    """
    token, lease = bindparam("of_token", type_=Text), bindparam("lease", type_=Interval)
    remake, run_id = bindparam("remake", type_=Boolean), bindparam("run_id", type_=Text)
    may_start = may_become(Status.RUNNING)
    again = and_(remake, Job.status == Status.COMPLETED, Job.expires_at > func.now(), lease_is_over())
    already_claimed = and_(Job.worker_token == token, Job.status.in_((Status.RUNNING, Status.COMPLETED)))
    return _update(
        and_(Job.id == bindparam("of_job"), or_(may_start, again, already_claimed)),
        status=case((may_start, Status.RUNNING.value), else_=Job.status),
        attempt=Job.attempt + case((already_claimed, 0), else_=1),
        dagster_run_id=run_id,
        worker_token=token,
        lease_until=func.now() + lease,
        started_at=func.coalesce(Job.started_at, func.now()),
        error_code=null(),
        error_message=null(),
        retryable=null(),
    )


def complete() -> Update:
    """Running becomes completed, for any number of exports. A file that was made again keeps its expiry time.

    Parameters of the statement: ``retention``, and ``published``, a list of objects with ``job_id``, ``attempt``,
    ``token`` and ``artifact``.
    """
    row = column("job_id", Uuid), column("attempt", BigInteger), column("token", Text), column("artifact", JSONB)
    rows = func.jsonb_to_recordset(bindparam("published", type_=JSONB)).table_valued(*row)
    published = rows.render_derived(name="published", with_types=True).c
    expires_at = func.coalesce(Job.expires_at, func.now() + bindparam("retention", type_=Interval))
    facts = Job.details.op("-")("progress").op("-")(REPLACEMENT).concat(published.artifact)
    return _update(
        is_current(published.job_id, published.attempt, published.token),
        status=Status.COMPLETED.value,
        completed_at=func.coalesce(Job.completed_at, func.now()),
        expires_at=expires_at,
        lease_until=null(),
        details=facts.concat(func.jsonb_build_object("expires_at", expires_at)),
    )


def end_attempt(which: ColumnElement[bool], failure: Failure, max_attempts: int) -> Update:
    """Running becomes pending, after a growing wait, when another attempt can help; otherwise failed."""
    since = func.coalesce(Job.failing_since, func.now())
    losses = Job.losses + (0 if failure.transient else 1)
    may_retry = or_(Job.attempt < max_attempts, func.now() < since + TRANSIENT_RETRY_PERIOD)
    again = and_(literal(failure.retryable), may_retry if failure.transient else losses < max_attempts)
    doubled = FIRST_RETRY * func.power(2, func.least(func.greatest(Job.attempt - 1, 0), 10))
    return _update(
        and_(which, may_become(Status.PENDING)),
        status=case((again, Status.PENDING.value), else_=Status.FAILED.value),
        completed_at=case((again, null()), else_=func.now()),
        launch_after=func.now() + func.least(doubled, MAX_RETRY) * (1 - JITTER * func.random()),
        failing_since=since,
        losses=losses,
        lease_until=null(),
        error_code=failure.code,
        error_message=failure.message,
        retryable=failure.retryable,
    )


def keep_old_file() -> Update:
    """End an attempt, that of ``IS_CURRENT``, at an export that has a file: it stays completed."""
    which = and_(IS_CURRENT, Job.status == Status.COMPLETED)
    return _update(which, lease_until=null(), details=Job.details.op("-")(REPLACEMENT))


def cancel(which: ColumnElement[bool]) -> Update:
    """Pending or running becomes cancelled."""
    cancelled = and_(which, may_become(Status.CANCELLED))
    return _update(cancelled, status=Status.CANCELLED.value, completed_at=func.now(), lease_until=null())


def expire(which: ColumnElement[bool]) -> Update:
    """Completed becomes expired, now at the latest."""
    ends = func.least(Job.expires_at, func.now())
    return _update(and_(which, may_become(Status.EXPIRED)), status=Status.EXPIRED.value, expires_at=ends)


def _update(which: ColumnElement[bool], **values: object) -> Update:
    changes = {getattr(Job, name): value for name, value in values.items()}
    return update(Job).where(which).values(changes).execution_options(synchronize_session=False)
