"""Reading Dagster's event log back onto the jobs table: what moves an export to completed, or on to its next attempt.

A projection with a stored cursor: idempotent, resumable, safe in several processes at once. The reaper runs after it in
the same pass, so an export that was published while nobody was reading is completed and not made again.
"""

from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from analytics_exports.domain.errors import RunCancelled, StorageUnavailable, WorkerLost
from analytics_exports.domain.export import LIVE, Failure, JobId, Status
from analytics_exports.ports import ArtifactStore, JobStore, Materialised, Orchestrator, RunEnded
from analytics_exports.services.producing import artifact_key

CURSOR = "dagster_events"
"""Name of the stored position in Dagster's event log."""

PAGE = 200
"""Events read at a time."""


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
        """Take in everything that happened since the last pass, then end the attempts whose worker is silent."""
        position = self.jobs.cursor(CURSOR)
        while (page := self.orchestrator.events(position, PAGE))[0] > position:
            position, events = page
            for event in events:
                self._take_in(event)
            self.jobs.advance(CURSOR, position)
        self._reap()

    def _reap(self) -> None:
        """Look once more for a publication: a writer of the event log may not have kept events in order."""
        for job, claim in self.jobs.overdue(PAGE):
            event = self.orchestrator.materialisation(job.id)
            if event is None or event.claim != claim or not self._complete(event):
                self.jobs.give_up(claim, Failure.of(WorkerLost), self.max_attempts)

    def _take_in(self, event: Materialised | RunEnded) -> None:
        if isinstance(event, Materialised):
            self._complete(event)
        else:
            failure = Failure.of(RunCancelled if event.cancelled else WorkerLost)
            self.jobs.run_ended(event.run_id, failure, self.max_attempts)

    def _complete(self, event: Materialised) -> bool:
        """Complete the export; whether its claim was still the current one."""
        completed = self.jobs.complete(event.claim, event.artifact, self.retention)
        if not completed:
            self._drop_file(event.claim.job_id)
        return completed

    def _drop_file(self, job_id: JobId) -> None:
        """Remove what was published of an export that was cancelled before it could be completed."""
        job = self.jobs.load(job_id)
        if job is not None and job.status not in {*LIVE, Status.COMPLETED}:
            with suppress(StorageUnavailable):  # the sweep removes it later
                self.artifacts.remove(artifact_key(job))
