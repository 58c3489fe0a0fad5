"""The jobs table for workers: claims, leases, and the moment in which a file becomes visible.

A claim consists of the number of the attempt and a random token: whoever holds the token may renew the lease and
publish. Launching is in ``queue``.
"""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Interval, and_, bindparam, func, select, update
from sqlalchemy.dialects.postgresql import JSONB

from analytics_exports.database import transitions
from analytics_exports.database.codec import BY_ID, job_from_row
from analytics_exports.database.models import Job
from analytics_exports.database.queue import PostgresQueue
from analytics_exports.database.transitions import IS_CURRENT, NOT_FLUSHED, REPLACEMENT, parameters
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.errors import ClaimLost, DatabaseUnavailable, InternalFailure
from analytics_exports.domain.export import Claim, ExportJob, Failure, JobId
from analytics_exports.reconnecting import retry_while_away, unavailable_when_away

CLAIM = transitions.claim_attempt().returning(Job)
RENEW = (
    update(Job)
    .where(IS_CURRENT)
    .values(
        {
            Job.lease_until: func.now() + bindparam("lease", type_=Interval),
            Job.details: Job.details.concat(func.jsonb_build_object("progress", bindparam("progress", type_=JSONB))),
        }
    )
    .returning(Job.id, NOT_FLUSHED)
)
LOCK = select(Job.id, NOT_FLUSHED).where(IS_CURRENT, Job.lease_until > func.now()).with_for_update()
CONFIRM = select(Job.id).where(IS_CURRENT)
NOTE_REPLACEMENT = (
    update(Job)
    .where(IS_CURRENT)
    .values({Job.details: Job.details.concat(func.jsonb_build_object(REPLACEMENT, bindparam("facts", type_=JSONB)))})
    .returning(Job.id)
)
REPLACE = (
    update(Job)
    .where(and_(IS_CURRENT, Job.details.has_key(REPLACEMENT)))
    .values({Job.details: Job.details.op("-")(REPLACEMENT).concat(Job.details[REPLACEMENT])})
)
"""Replaces the facts of the old file by the stored ones of the new file."""

KEEP_OLD_FILE = transitions.keep_old_file().returning(Job.id)


class PostgresWorkerJobs(PostgresQueue):
    """Implements ``ports.WorkerJobs``. Methods raise DatabaseUnavailable when PostgreSQL does not respond."""

    def load(self, job_id: JobId) -> ExportJob | None:
        """An export of any user."""
        with self._statement() as connection:
            row = connection.execute(BY_ID, {"of_job": job_id}).one_or_none()
        return None if row is None else job_from_row(row)

    def claim(self, job_id: JobId, run_id: str, lease: timedelta, *, remake: bool = False) -> tuple[ExportJob, Claim]:
        """Claim a pending export, or a completed one that is to be made again."""
        wanted = {"run_id": run_id, "lease": lease, "remake": remake, "of_token": secrets.token_urlsafe(16)}
        return retry_while_away(self.retry_seconds, self._claim, job_id, wanted)

    def _claim(self, job_id: JobId, wanted: Mapping[str, Any]) -> tuple[ExportJob, Claim]:
        with self._statement() as connection:
            row = connection.execute(CLAIM, {"of_job": job_id, **wanted}).one_or_none()
            if row is None:
                raise ClaimLost
            with suppress(KeyError, TypeError, ValueError):
                return job_from_row(row), Claim(job_id, row.attempt, wanted["of_token"])
            connection.execute(transitions.end_attempt(Job.id == job_id, Failure.of(InternalFailure), 0))
        raise InternalFailure

    def renew(self, claim: Claim, lease: timedelta, progress: Mapping[str, object]) -> bool:
        """Extend the lease and store progress."""
        with self._statement() as connection:
            values = {**parameters(claim), "lease": lease, "progress": dict(progress)}
            return connection.execute(RENEW, values).one_or_none() is not None

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
        with retry_while_away(self.retry_seconds, self._locked, claim) as connection:
            yield
            try:
                with unavailable_when_away():
                    if replacement is not None:
                        connection.execute(REPLACE, parameters(claim))
                    connection.commit()
            except DatabaseUnavailable:
                retry_while_away(self.retry_seconds, self._confirm, claim)

    def _note_replacement(self, claim: Claim, replacement: Artifact) -> None:
        """Store the facts of the file that is about to be published. Raises ClaimLost."""
        with self._statement() as connection:
            noted = connection.execute(NOTE_REPLACEMENT, {**parameters(claim), "facts": replacement.to_plain()})
            if noted.one_or_none() is None:
                raise ClaimLost

    def _locked(self, claim: Claim) -> Connection:
        """A connection whose transaction has locked the row of the claim. Raises ClaimLost."""
        with ExitStack() as unless_it_holds, unavailable_when_away():
            connection = unless_it_holds.enter_context(self._engine.connect())
            if connection.execute(LOCK, parameters(claim)).one_or_none() is None:
                raise ClaimLost
            unless_it_holds.pop_all()
        return connection

    def _confirm(self, claim: Claim) -> None:
        """Raise ClaimLost unless the claim is the current one."""
        with self._statement() as connection:
            if connection.execute(CONFIRM, parameters(claim)).one_or_none() is None:
                raise ClaimLost

    def fail_attempt(self, claim: Claim, failure: Failure, max_attempts: int) -> bool:
        """End an attempt. A completed export that was being made again stays completed."""
        with self._transaction() as connection:
            if connection.scalar(KEEP_OLD_FILE, parameters(claim)) is not None:
                return True
            ended = transitions.end_attempt(IS_CURRENT, failure, max_attempts).returning(Job.id)
            return connection.scalar(ended, parameters(claim)) is not None
