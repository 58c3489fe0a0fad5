"""How each part is: the warehouse, the manifest, the database, the orchestrator, its workers and the artifact store."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from analytics_exports.domain.dataset import Rejection
from analytics_exports.domain.errors import ExportError, Unavailable
from analytics_exports.ports import ArtifactStore, Catalogue, JobStore, Orchestrator, Warehouse


@dataclass(frozen=True, slots=True)
class Condition:
    """One part: ``problem`` is why it is not well, ``None`` when it is."""

    name: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Report:
    """All parts, and what operators want to know of the data."""

    conditions: Sequence[Condition]
    data_as_of: datetime | None
    rejected: Sequence[Rejection]

    @property
    def ok(self) -> bool:
        """Whether every part is well."""
        return all(condition.problem is None for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class Health:
    """Looks at every part; one that is not well does not keep the others from being looked at."""

    catalogue: Catalogue
    warehouse: Warehouse
    jobs: JobStore
    artifacts: ArtifactStore
    orchestrator: Orchestrator

    def report(self) -> Report:
        """The condition of each part now."""
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

    def ready(self) -> Sequence[Condition]:
        """The parts without which no request for an export can be taken, and those that would make it at once."""
        return [
            self._database(),
            _condition("manifest", self.catalogue.state),
            _condition("artifact_store", self.artifacts.check),
            _condition("run_workers", self.orchestrator.check_workers),
        ]

    def _database(self) -> Condition:
        return _condition("database", lambda: self.jobs.cursor("health"))

    def _manifest(self) -> None:
        stale = self.catalogue.state().stale
        if stale:
            raise Unavailable(f"The last good manifest is in use: {stale}")

    def _read_back(self) -> None:
        if skipped := self.jobs.count_skipped():
            raise Unavailable(f"{skipped} events of Dagster's log could not be read back; they are tried again.")

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


def _condition(name: str, look: Callable[[], object]) -> Condition:
    try:
        look()
    except ExportError as problem:
        return Condition(name, str(problem))
    return Condition(name, None)
