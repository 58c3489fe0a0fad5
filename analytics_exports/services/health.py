"""The state of each part: warehouse, manifest, database, orchestrator, run workers, projection, artifact store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from analytics_exports.domain.dataset import Rejection
from analytics_exports.domain.errors import ExportError, Unavailable
from analytics_exports.ports import ArtifactStore, Catalogue, MaintenanceJobs, Orchestrator, Warehouse


@dataclass(frozen=True, slots=True)
class PartHealth:
    """The state of one part: ``problem`` is why it does not work, ``None`` when it does."""

    name: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """The state of all parts, and facts about the data for operators."""

    conditions: Sequence[PartHealth]
    data_as_of: datetime | None
    rejected: Sequence[Rejection]

    @property
    def ok(self) -> bool:
        """Whether every part works."""
        return all(condition.problem is None for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Health:
    """Checks every part; a failing part does not prevent the checks of the others."""

    catalogue: Catalogue
    warehouse: Warehouse
    jobs: MaintenanceJobs
    artifacts: ArtifactStore
    orchestrator: Orchestrator

    def report(self) -> Report:
        """The current state of each part."""
        conditions = [
            _condition("warehouse", self.warehouse.data_as_of),
            _condition("manifest", self._manifest),
            self._database(),
            _condition("orchestrator", self.orchestrator.check),
            _condition("run_workers", self.orchestrator.check_workers),
            _condition("read_back", self._read_back),
            _condition("artifact_store", self.artifacts.check),
        ]
        return Report(conditions, self._data_as_of(), self._rejected())

    def ready(self) -> Sequence[PartHealth]:
        """The parts that are needed to accept a request for an export and to make it at once."""
        return [
            self._database(),
            _condition("manifest", self.catalogue.state),
            _condition("artifact_store", self.artifacts.check),
            _condition("run_workers", self.orchestrator.check_workers),
        ]

    def _database(self) -> PartHealth:
        return _condition("database", lambda: self.jobs.read_cursor("health"))

    def _manifest(self) -> None:
        stale = self.catalogue.state().stale
        if stale:
            raise Unavailable(f"The last good manifest is in use: {stale}")

    def _read_back(self) -> None:
        if skipped := self.jobs.count_skipped_events():
            raise Unavailable(f"{skipped} events of Dagster's log could not be applied; they are retried.")

    def _data_as_of(self) -> datetime | None:
        try:
            return self.warehouse.data_as_of()
        except Unavailable:
            return None

    def _rejected(self) -> Sequence[Rejection]:
        try:
            return self.catalogue.state().rejected
        except Unavailable:
            return ()


def _condition(name: str, look: Callable[[], object]) -> PartHealth:
    try:
        look()
    except ExportError as problem:
        return PartHealth(name, str(problem))
    return PartHealth(name, None)
