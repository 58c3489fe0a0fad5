"""The Orchestrator in memory: an event log that the test writes."""

from collections.abc import Iterable, Sequence

from analytics_exports.domain.errors import DatabaseUnavailable
from analytics_exports.domain.export import JobId
from analytics_exports.ports import Materialised, RunEnded


class FakeOrchestrator:
    """Implements ``ports.Orchestrator``. Set ``away`` to make it unreachable."""

    def __init__(self) -> None:
        self.away = False
        self.partitions: set[JobId] = set()
        self.terminated: list[str] = []
        self.log: list[Materialised | RunEnded] = []

    def register(self, job_ids: Iterable[JobId]) -> None:
        self._reach()
        self.partitions.update(job_ids)

    def forget(self, job_ids: Iterable[JobId]) -> None:
        self._reach()
        self.partitions.difference_update(job_ids)

    def terminate(self, run_id: str) -> None:
        self._reach()
        self.terminated.append(run_id)

    def check(self) -> None:
        self._reach()

    def materialisations(self, after: int, limit: int) -> tuple[int, Sequence[Materialised]]:
        self._reach()
        found = [(n, event) for n, event in self._after(after) if isinstance(event, Materialised)][:limit]
        return (found[-1][0] if found else after), [event for _, event in found]

    def materialisation(self, job_id: JobId) -> Materialised | None:
        self._reach()
        mine = [event for event in self.log if isinstance(event, Materialised) and event.claim.job_id == job_id]
        return mine[-1] if mine else None

    def ended_runs(self, after: int, limit: int) -> tuple[int, Sequence[RunEnded]]:
        self._reach()
        found = [(n, event) for n, event in self._after(after) if isinstance(event, RunEnded)][:limit]
        return (found[-1][0] if found else after), [event for _, event in found]

    def _after(self, position: int) -> list[tuple[int, Materialised | RunEnded]]:
        return [(number, event) for number, event in enumerate(self.log, start=1) if number > position]

    def _reach(self) -> None:
        if self.away:
            raise DatabaseUnavailable
