"""The Orchestrator in memory: an event log that the test writes."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from analytics_exports.domain.errors import DatabaseUnavailable
from analytics_exports.domain.export import JobId
from analytics_exports.ports import Materialised, RunEnded


class FakeOrchestrator:
    """Implements ``ports.Orchestrator``. Set ``away`` to make it unreachable."""

    def __init__(self) -> None:
        self.away = False
        self.partitions: set[JobId] = set()
        self.terminated: list[str] = []
        self.pruned: list[timedelta] = []
        self.log: list[Materialised | RunEnded] = []

    def register(self, job_ids: Iterable[JobId]) -> None:
        self._reach()
        self.partitions.update(job_ids)

    def forget(self, job_ids: Iterable[JobId]) -> None:
        self._reach()
        self.partitions.difference_update(job_ids)

    def prune(self, age: timedelta) -> None:
        self._reach()
        self.pruned.append(age)

    def terminate(self, run_id: str) -> None:
        self._reach()
        self.terminated.append(run_id)

    def check(self) -> None:
        self._reach()

    def events(self, after: int, limit: int) -> tuple[int, Sequence[Materialised | RunEnded]]:
        self._reach()
        page = self.log[after : after + limit]
        return after + len(page), page

    def materialisation(self, job_id: JobId) -> Materialised | None:
        self._reach()
        mine = [event for event in self.log if isinstance(event, Materialised) and event.claim.job_id == job_id]
        return mine[-1] if mine else None

    def _reach(self) -> None:
        if self.away:
            raise DatabaseUnavailable
