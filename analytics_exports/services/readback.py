"""Reading Dagster's event log back onto the jobs table: what moves an export to completed, or on to its next attempt.

A projection with a stored cursor: idempotent, resumable, safe in several processes at once. The reaper runs after it in
the same pass, so an export that was published while nobody was reading is completed and not made again. An event that
cannot be taken in is noted, counted, and tried again later; those after it do not wait for it.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from analytics_exports.domain.errors import RunCancelled, StorageUnavailable, WorkerLost
from analytics_exports.domain.export import LIVE, Claim, Failure, JobId, Status
from analytics_exports.ports import ArtifactStore, JobStore, LoggedEvent, Materialised, Orchestrator, RunEnded
from analytics_exports.services.producing import artifact_key

CURSOR = "dagster_events"
"""Name of the stored position in Dagster's event log."""

PAGE = 200
"""Events read at a time."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Readback:
    """Keeps the jobs table true to what Dagster did.

    Attributes:
        retention: How long a file can be downloaded once it is completed.
        max_attempts: Attempts an export gets before it fails for good.
    """

    jobs: JobStore
    artifacts: ArtifactStore
    orchestrator: Orchestrator
    retention: timedelta
    max_attempts: int

    def follow(self) -> None:
        """Take in everything that happened since the last pass, then end the attempts whose worker is silent.

        Raises:
            DatabaseUnavailable: PostgreSQL is away; the next pass goes on where this one stopped.
        """
        position = self.jobs.cursor(CURSOR)
        while page := self.orchestrator.events(position, PAGE):
            for logged in page:
                self._take_in(logged)
            position = page[-1].position
            self.jobs.advance(CURSOR, position)
        self._try_skipped()
        self._reap()

    def _take_in(self, logged: LoggedEvent) -> bool:
        """Do what an event says; whether that was possible. If not it is skipped, so that it is in nobody's way."""
        problem = logged.problem
        if problem is None:
            try:
                self._do(logged.event)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other events have to be read
                problem = type(error).__qualname__
        if problem is not None:
            self.jobs.skip(logged.position, problem)  # raises when it was the database that is away
            logger.error("Event %s of Dagster's log could not be read back (%s)", logged.position, problem)
        return problem is None

    def _try_skipped(self) -> None:
        for position in self.jobs.skipped(PAGE):
            logged = self.orchestrator.event(position)
            if logged is None or self._take_in(logged):
                self.jobs.unskip(position)

    def _reap(self) -> None:
        """End the attempts whose lease is over, each by itself."""
        for claim in self.jobs.overdue(PAGE):
            try:
                self._end(claim)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other attempts have to end
                self.jobs.cursor(CURSOR)  # raises when it was the database that is away
                logger.warning("Export %s could not be ended (%s)", claim.job_id, type(error).__qualname__)

    def _end(self, claim: Claim) -> None:
        """Look once more for a publication: a writer of the event log may not have kept events in order."""
        event = self.orchestrator.materialisation(claim.job_id)
        if event is None or event.claim != claim or not self._complete(event):
            self.jobs.give_up(claim, Failure.of(WorkerLost), self.max_attempts)
            self._drop_file(claim.job_id)

    def _do(self, event: Materialised | RunEnded | None) -> None:
        if isinstance(event, Materialised):
            self._complete(event)
        elif event is not None:
            failure = Failure.of(RunCancelled if event.cancelled else WorkerLost)
            for job_id in self.jobs.run_ended(event.run_id, failure, self.max_attempts):
                self._drop_file(job_id)

    def _complete(self, event: Materialised) -> bool:
        """Complete the export; whether its claim was still the current one."""
        completed = self.jobs.complete(event.claim, event.artifact, self.retention)
        if not completed:
            self._drop_file(event.claim.job_id)
        return completed

    def _drop_file(self, job_id: JobId) -> None:
        """Remove what may have been published of an export that failed or was cancelled before it was completed."""
        job = self.jobs.load(job_id)
        if job is not None and job.status not in {*LIVE, Status.COMPLETED}:
            with suppress(StorageUnavailable):  # the sweep removes it later
                self.artifacts.remove(artifact_key(job))
