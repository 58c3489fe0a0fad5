"""Reading Dagster's event log back onto the jobs table: what moves an export to completed, or on to its next attempt.

A projection with stored cursors: idempotent, resumable, safe in several processes at once. The reaper runs after it in
the same pass, so an export that was published while nobody was reading is completed and not made again.
"""

from dataclasses import dataclass
from datetime import timedelta

from analytics_exports.domain.errors import RunCancelled, WorkerLost
from analytics_exports.domain.export import Failure
from analytics_exports.ports import JobStore, Materialised, Orchestrator

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
    orchestrator: Orchestrator
    retention: timedelta
    max_attempts: int

    def follow(self) -> None:
        """Take in everything that happened since the last pass, then end the attempts whose worker is silent."""
        while self._published() or self._ended():
            pass
        self._reap()

    def _published(self) -> bool:
        before = self.jobs.cursor("materialisations")
        position, events = self.orchestrator.materialisations(before, PAGE)
        for event in events:
            self._complete(event)
        return self._advance("materialisations", before, position)

    def _ended(self) -> bool:
        before = self.jobs.cursor("ended_runs")
        position, events = self.orchestrator.ended_runs(before, PAGE)
        for event in events:
            failure = Failure.of(RunCancelled if event.cancelled else WorkerLost)
            self.jobs.run_ended(event.run_id, failure, self.max_attempts)
        return self._advance("ended_runs", before, position)

    def _advance(self, cursor: str, before: int, position: int) -> bool:
        """Store how far the log is read; whether that is further than before."""
        if position > before:
            self.jobs.advance(cursor, position)
        return position > before

    def _reap(self) -> None:
        """Look once more for a publication, because events of parallel runs can become visible out of order."""
        for job, claim in self.jobs.overdue(PAGE):
            event = self.orchestrator.materialisation(job.id)
            if event is None or event.claim != claim or not self._complete(event):
                self.jobs.give_up(claim, Failure.of(WorkerLost), self.max_attempts)

    def _complete(self, event: Materialised) -> bool:
        return self.jobs.complete(event.claim, event.artifact, self.retention)
