"""The jobs table for workers: claims, leases, and the moment in which a file becomes visible.

A claim consists of the number of the attempt and a random token: whoever holds the token may renew the lease and
publish. Launching is in ``queue``.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta

from sqlalchemy import Update, and_, func, select, update
from sqlalchemy.orm import Session

from analytics_exports.database import transitions
from analytics_exports.database.codec import job_from_row
from analytics_exports.database.models import Job
from analytics_exports.database.queue import PostgresQueue
from analytics_exports.database.transitions import REPLACEMENT, is_current
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.errors import ClaimLost, DatabaseUnavailable, InternalFailure
from analytics_exports.domain.export import Claim, ExportJob, Failure, JobId
from analytics_exports.reconnecting import retry_while_away, unavailable_when_away


class PostgresWorkerJobs(PostgresQueue):
    """Implements ``ports.WorkerJobs``. Methods raise DatabaseUnavailable when PostgreSQL does not respond."""

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
        statement = transitions.claim_attempt(job_id, run_id, lease, token, remake=remake)
        with self._transaction() as session:
            row = session.scalars(statement.returning(Job)).one_or_none()
            if row is None:
                raise ClaimLost
            with suppress(KeyError, TypeError, ValueError):
                return job_from_row(row), Claim(job_id, row.attempt, token)
            session.execute(transitions.end_attempt(Job.id == job_id, Failure.of(InternalFailure), 0))
        raise InternalFailure

    def renew(self, claim: Claim, lease: timedelta, progress: Mapping[str, object]) -> bool:
        """Extend the lease and store progress."""
        values = {Job.lease_until: func.now() + lease, Job.details: Job.details.concat({"progress": dict(progress)})}
        with self._transaction() as session:
            return session.scalar(update(Job).where(is_current(claim)).values(values).returning(Job.id)) is not None

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
            noting = update(Job).where(is_current(claim)).values({Job.details: noted}).returning(Job.id)
            if session.scalar(noting) is None:
                raise ClaimLost

    def _locked(self, claim: Claim) -> Session:
        """A session that has locked the row of the claim. Raises ClaimLost."""
        held = select(Job.id).where(is_current(claim), Job.lease_until > func.now()).with_for_update()
        with ExitStack() as unless_it_holds, unavailable_when_away():
            session = unless_it_holds.enter_context(Session(self._engine))
            if session.scalar(held) is None:
                raise ClaimLost
            unless_it_holds.pop_all()
        return session

    def _confirm(self, claim: Claim) -> None:
        """Raise ClaimLost unless the claim is the current one."""
        with self._transaction() as session:
            if session.scalar(select(Job.id).where(is_current(claim))) is None:
                raise ClaimLost

    def fail_attempt(self, claim: Claim, failure: Failure, max_attempts: int) -> bool:
        """End an attempt. A completed export that was being made again stays completed."""
        with self._transaction() as session:
            if session.scalar(transitions.keep_old_file(claim).returning(Job.id)) is not None:
                return True
            ended = transitions.end_attempt(is_current(claim), failure, max_attempts)
            return session.scalar(ended.returning(Job.id)) is not None


def _replace(claim: Claim) -> Update:
    """Replace the facts of the old file by the stored ones of the new file."""
    facts = Job.details.op("-")(REPLACEMENT).concat(Job.details[REPLACEMENT])
    noted = and_(is_current(claim), Job.details.has_key(REPLACEMENT))
    return update(Job).where(noted).values({Job.details: facts}).execution_options(synchronize_session=False)
