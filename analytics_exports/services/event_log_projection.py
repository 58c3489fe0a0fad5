"""Projects Dagster's event log onto the jobs table: completes exports, or moves them on to their next attempt.

The projection has a stored cursor; it is idempotent, resumable, and safe to run in several processes at once.
Publications that follow one another are applied in one transaction. A whole pass handles expired leases afterwards, so
that an export that was published while no projection ran is completed and not made again. An event that cannot be
applied is recorded, counted and retried later; it does not block others.
"""

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from analytics_exports.domain.errors import RunCancelled, StorageUnavailable, WorkerLost
from analytics_exports.domain.export import LIVE, Claim, Failure, JobId, Status
from analytics_exports.ports import ArtifactStore, LoggedEvent, MaintenanceJobs, Materialised, Orchestrator, RunEnded
from analytics_exports.services.production import artifact_key

CURSOR_NAME = "dagster_events"
"""Name of the stored position in Dagster's event log."""

PAGE = 200
"""Events read at a time."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EventLogProjection:
    """Keeps the jobs table consistent with Dagster's event log.

    Attributes:
        retention: How long a file can be downloaded after completion.
        max_attempts: Attempts an export gets before it fails for good.
    """

    jobs: MaintenanceJobs
    artifacts: ArtifactStore
    orchestrator: Orchestrator
    retention: timedelta
    max_attempts: int

    def catch_up(self) -> None:
        """Apply all events since the last pass, then end the attempts whose lease has expired.

        Raises:
            DatabaseUnavailable: PostgreSQL is away; the next pass resumes where this one stopped.
        """
        self.apply_new()
        self._retry_skipped()
        self._reap()

    def apply_new(self) -> None:
        """Apply all events since the last pass. Raises DatabaseUnavailable, as ``catch_up``."""
        position, full = self.jobs.read_cursor(CURSOR_NAME), True
        while full and (page := self.orchestrator.events(position, PAGE)):
            for published, group in groupby(page, key=_is_publication):
                for logged in self._complete_together(list(group)) if published else group:
                    self._apply(logged)
            position, full = page[-1].position, len(page) == PAGE
            self.jobs.advance_cursor(CURSOR_NAME, position)

    def _complete_together(self, publications: Sequence[LoggedEvent]) -> Sequence[LoggedEvent]:
        """Complete these exports in one transaction. Returns those that have to be looked at one by one."""
        events = [logged.event for logged in publications if isinstance(logged.event, Materialised)]
        try:
            completed = self.jobs.complete_all({event.claim: event.artifact for event in events}, self.retention)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not hold up the others
            logger.warning("Exports could not be completed together (%s)", type(error).__qualname__)
            return publications
        pairs = zip(publications, events, strict=True)
        return [logged for logged, event in pairs if event.claim.job_id not in completed]

    def _apply(self, logged: LoggedEvent) -> bool:
        """Apply an event. Returns whether that was possible; otherwise it is skipped and does not block others."""
        problem = logged.problem
        if problem is None:
            try:
                self._apply_event(logged.event)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other events have to be read
                problem = type(error).__qualname__
        if problem is not None:
            self.jobs.skip_event(logged.position, problem)  # raises if the database is away
            logger.error("Event %s of Dagster's log could not be applied (%s)", logged.position, problem)
        return problem is None

    def _retry_skipped(self) -> None:
        for position in self.jobs.skipped_events(PAGE):
            logged = self.orchestrator.event(position)
            if logged is None or self._apply(logged):
                self.jobs.unskip_event(position)

    def _reap(self) -> None:
        """End the attempts whose lease has expired, each independently."""
        for claim in self.jobs.expired_leases(PAGE):
            try:
                self._end_attempt(claim)
            except Exception as error:  # noqa: BLE001 - whatever it is, the other attempts have to end
                self.jobs.read_cursor(CURSOR_NAME)  # raises if the database is away
                logger.warning("Export %s could not be ended (%s)", claim.job_id, type(error).__qualname__)

    def _end_attempt(self, claim: Claim) -> None:
        """Look for a publication first: a writer of the event log may not have kept events in order."""
        event = self.orchestrator.latest_materialisation(claim.job_id)
        if event is None or event.claim != claim or not self._complete(event):
            self.jobs.fail_attempt(claim, Failure.of(WorkerLost), self.max_attempts)
            self._remove_file(claim.job_id)

    def _apply_event(self, event: Materialised | RunEnded | None) -> None:
        if isinstance(event, Materialised):
            self._complete(event)
        elif event is not None:
            failure = Failure.of(RunCancelled if event.cancelled else WorkerLost)
            for job_id in self.jobs.fail_run(event.run_id, failure, self.max_attempts):
                self._remove_file(job_id)

    def _complete(self, event: Materialised) -> bool:
        """Complete the export. Returns whether the claim was still current."""
        completed = self.jobs.complete(event.claim, event.artifact, self.retention)
        if not completed:
            self._remove_file(event.claim.job_id)
        return completed

    def _remove_file(self, job_id: JobId) -> None:
        """Remove what may have been published of an export that failed or was cancelled before it was completed."""
        job = self.jobs.load(job_id)
        if job is not None and job.status not in {*LIVE, Status.COMPLETED}:
            with suppress(StorageUnavailable):  # the sweep removes it later
                self.artifacts.remove(artifact_key(job))


def _is_publication(logged: LoggedEvent) -> bool:
    return logged.problem is None and isinstance(logged.event, Materialised)
