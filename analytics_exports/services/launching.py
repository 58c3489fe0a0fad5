"""Which exports to launch now, and how: each in a run of its own, or many in a few.

A run for one export is what people see and cancel in Dagster; starting it costs more than a small export. So when many
are pending at once, or come faster than there are sensors to answer, a few runs make them together (``draining``).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from analytics_exports.domain.errors import StorageFull, StorageUnavailable
from analytics_exports.domain.export import Launch
from analytics_exports.ports import ArtifactStore, JobStore, Orchestrator, Signal

LOOK_SECONDS = 2.0
"""How often to look although nothing was announced: retries become due by time alone."""

BUSY_LOOK_SECONDS = 0.5
"""How often to look whether a run has ended, while as many are in progress as there may be."""

STUCK = timedelta(seconds=2)
"""When runs for many have begun nothing for so long they are busy with long exports: others are made beside them."""

SHARE = 25
"""Exports that a run for many is given to begin with; it takes more by itself."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to launch: exports in runs of their own, and shares of exports with a run for each share."""

    singles: Sequence[Launch] = ()
    shares: Sequence[Sequence[Launch]] = ()

    @property
    def launches(self) -> Sequence[Launch]:
        """Every export of the plan."""
        return [*self.singles, *(launch for share in self.shares for launch in share)]


@dataclass(frozen=True, slots=True)
class Launching:
    """Hands out exports to launch.

    Attributes:
        workers: Runs that may be in progress at once.
        burst_exports: More exports than this at once are made together.
        burst_runs: By how many runs.
        hold: How long an export that was handed out may take to be claimed; then it is handed out again.
    """

    jobs: JobStore
    artifacts: ArtifactStore
    orchestrator: Orchestrator
    workers: int
    burst_exports: int
    burst_runs: int
    hold: timedelta

    def wait(self, signal: Signal, seconds: float, is_over: Callable[[], bool] = lambda: False) -> Plan:
        """What to launch, as soon as there is something; an empty plan when there was nothing for so long.

        Args:
            signal: Announces that an export is pending.
            seconds: How long to wait.
            is_over: Whether nobody waits for a plan any more; it is asked before each look.
        """
        deadline = time.monotonic() + seconds
        while not is_over():
            running = self.orchestrator.in_progress()
            free, drains = self.workers - running.runs, self.burst_runs - running.drains
            if drains <= 0 and self.jobs.begun_since(STUCK):
                free = 0
            limit = SHARE * drains if drains > 0 else min(free, self.burst_exports)
            if free > 0:
                last = signal.listeners() == 1  # asked first: what is taken and not launched waits for a minute
                if self._can_store() and (launches := self.jobs.due(limit, self.hold)):
                    return self._plan(launches, min(free, drains), last=last)
            left = deadline - time.monotonic()
            if left <= 0:
                break
            signal.wait(min(left, LOOK_SECONDS if free > 0 else BUSY_LOOK_SECONDS))
        return Plan()

    def _can_store(self) -> bool:
        """Whether files can be written now. If not, what is pending waits instead of failing one after another."""
        try:
            self.artifacts.check()
        except (StorageFull, StorageUnavailable):
            return False
        return True

    def _plan(self, launches: Sequence[Launch], drains: int, *, last: bool) -> Plan:
        """When the last sensor that listens answers, nobody will for a while: so a run that listens takes its place."""
        if drains <= 0 or not (last or len(launches) > self.burst_exports):
            return Plan(singles=launches)
        runs = min(drains, len(launches))
        return Plan(shares=[launches[number::runs] for number in range(runs)])
