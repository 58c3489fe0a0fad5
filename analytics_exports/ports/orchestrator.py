"""Dagster: partitions, runs, and its event log."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.export import Claim, JobId


@dataclass(frozen=True, slots=True)
class Materialised:
    """An event: the file of a claim was published."""

    claim: Claim
    artifact: Artifact


@dataclass(frozen=True, slots=True)
class RunEnded:
    """An event: a run failed or was cancelled."""

    run_id: str
    cancelled: bool


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event at its position in Dagster's event log.

    Attributes:
        event: The event; ``None`` when it is not about exports, or could not be read.
        problem: Why it could not be read; ``None`` when it could.
    """

    position: int
    event: Materialised | RunEnded | None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class ActiveRuns:
    """Numbers of runs that sensors launched and that have not ended: all of them, and batch runs."""

    total: int
    batches: int


class Orchestrator(Protocol):
    """The Dagster deployment."""

    def add_partitions(self, job_ids: Collection[JobId]) -> None:
        """Add partitions for these exports; existing ones stay."""

    def delete_history(self, job_ids: Collection[JobId]) -> None:
        """Delete the partitions of these exports and what is stored about their runs."""

    def prune(self, age: timedelta) -> None:
        """Delete partitions and ended runs of exports older than ``age``."""

    def terminate(self, run_id: str) -> None:
        """Request the termination of a run; nothing happens when it has ended, or makes other exports too."""

    def check(self) -> None:
        """Raise OrchestratorUnavailable when nothing would launch an export now."""

    def check_workers(self) -> None:
        """Raise OrchestratorUnavailable when no worker would execute a run, as far as the run launcher knows."""

    def active_runs(self) -> ActiveRuns:
        """The current numbers of runs."""

    def events(self, after: int, limit: int) -> Sequence[LoggedEvent]:
        """The events after position ``after``, oldest first; none at the end of the log."""

    def event(self, position: int) -> LoggedEvent | None:
        """The event at this position; ``None`` when it no longer exists."""

    def latest_materialisation(self, job_id: JobId) -> Materialised | None:
        """The latest readable publication of an export."""
