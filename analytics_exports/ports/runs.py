"""The hand into Dagster: partitions, runs, and what its event log says of them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.export import Claim, JobId


@dataclass(frozen=True, slots=True)
class Materialised:
    """Dagster's event log says that a claim's file was published."""

    claim: Claim
    artifact: Artifact


@dataclass(frozen=True, slots=True)
class RunEnded:
    """Dagster's event log says that a run failed or was cancelled."""

    run_id: str
    cancelled: bool


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event at its position in Dagster's event log.

    Attributes:
        event: What it says; ``None`` when that is of no interest, or not known.
        problem: Why it could not be read; ``None`` when it could.
    """

    position: int
    event: Materialised | RunEnded | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class InProgress:
    """Runs that sensors launched and that have not ended: all of them, and those that make many exports."""

    runs: int
    drains: int


class Orchestrator(Protocol):
    """The hand into Dagster."""

    def register(self, job_ids: Collection[JobId]) -> None:
        """Make these exports partitions of the export asset; those that are already stay."""

    def forget(self, job_ids: Collection[JobId]) -> None:
        """Remove the partitions of these exports, and what is kept of their runs."""

    def prune(self, age: timedelta) -> None:
        """Remove partitions and ended runs of exports older than ``age``: no export that old is of use any more."""

    def terminate(self, run_id: str) -> None:
        """Ask for a run to stop; nothing happens when it has ended, or makes other exports too."""

    def check(self) -> None:
        """Raise OrchestratorUnavailable when nothing would launch an export now."""

    def check_workers(self) -> None:
        """Raise OrchestratorUnavailable when no worker would make a run, as far as the run launcher knows."""

    def in_progress(self) -> InProgress:
        """How many runs there are now."""

    def events(self, after: int, limit: int) -> Sequence[LoggedEvent]:
        """The next events after position ``after``, oldest first; none when that is the end of the log."""

    def event(self, position: int) -> LoggedEvent | None:
        """The event at this position; ``None`` when it is there no more."""

    def materialisation(self, job_id: JobId) -> Materialised | None:
        """The latest publication of one export that can be read."""
