"""The Orchestrator in memory: an event log that the test writes."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from analytics_exports.domain.errors import DatabaseUnavailable, OrchestratorUnavailable
from analytics_exports.domain.export import JobId
from analytics_exports.ports import ActiveRuns, LoggedEvent, Materialised, RunEnded
from analytics_exports_tests.factories import NOW


class FakeOrchestrator:
    """Implements ``ports.Orchestrator``. Set ``away`` to make it unreachable; ``now`` is its clock."""

    def __init__(self) -> None:
        self.away = False
        self.workers_problem: str | None = None
        self.now = NOW
        self.partitions: set[JobId] = set()
        self.registered_at: dict[JobId, datetime] = {}
        self.terminated: list[str] = []
        self.running = ActiveRuns(0, 0)
        self.batch_runs: set[str] = set()
        self.damaged: set[int] = set()
        self.log: list[Materialised | RunEnded] = []

    def add_partitions(self, job_ids: Iterable[JobId]) -> None:
        self._reach()
        for job_id in job_ids:
            self.partitions.add(job_id)
            self.registered_at.setdefault(job_id, self.now)

    def delete_history(self, job_ids: Iterable[JobId]) -> None:
        self._reach()
        self.partitions.difference_update(job_ids)

    def prune(self, age: timedelta) -> None:
        self._reach()
        self.delete_history([job_id for job_id in self.partitions if self.registered_at[job_id] < self.now - age])

    def terminate(self, run_id: str) -> None:
        self._reach()
        if run_id not in self.batch_runs:
            self.terminated.append(run_id)

    def check(self) -> None:
        self._reach()

    def check_workers(self) -> None:
        if self.workers_problem:
            raise OrchestratorUnavailable(self.workers_problem)

    def active_runs(self) -> ActiveRuns:
        self._reach()
        return self.running

    def events(self, after: int, limit: int) -> Sequence[LoggedEvent]:
        self._reach()
        return [self._logged(position) for position in range(after + 1, len(self.log) + 1)][:limit]

    def event(self, position: int) -> LoggedEvent | None:
        self._reach()
        return self._logged(position) if position <= len(self.log) else None

    def _logged(self, position: int) -> LoggedEvent:
        problem = "Damaged" if position in self.damaged else None
        return LoggedEvent(position, None if problem else self.log[position - 1], problem)

    def latest_materialisation(self, job_id: JobId) -> Materialised | None:
        self._reach()
        for position in range(len(self.log), 0, -1):
            event = self.log[position - 1]
            if isinstance(event, Materialised) and event.claim.job_id == job_id:
                return None if position in self.damaged else event
        return None

    def _reach(self) -> None:
        if self.away:
            raise DatabaseUnavailable
