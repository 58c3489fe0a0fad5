"""Decides which pending exports to launch, and how: each in a run of its own, or many in a few batch runs.

A run of its own is what operators see and cancel in Dagster, but starting it costs more than making a small export.
When many exports are pending, or arrive faster than sensors can respond, batch runs make them (``batch_production``).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from analytics_exports.domain.export import Launch
from analytics_exports.ports import Orchestrator, Signal, WorkerJobs
from analytics_exports.services.launch_queue import LaunchQueue

IDLE_POLL_SECONDS = 10.0
"""Interval of checks without a notification while nothing is pending, in seconds."""

POLL_SECONDS = 2.0
"""The same while something is pending that cannot be launched now, such as for want of disk space."""

BUSY_POLL_SECONDS = 0.5
"""Interval of checks whether a run has ended, in seconds, while the limit of runs is reached."""

STALLED = timedelta(seconds=2)
"""Batch runs that have started no export for so long are busy with long ones: other exports get runs of their own."""

BATCH_SIZE = 25
"""Exports that a batch run is launched with; it leases more by itself."""


@dataclass(frozen=True, slots=True)
class LaunchPlan:
    """What to launch: exports in runs of their own, and batches with one run each."""

    single_runs: Sequence[Launch] = ()
    batch_runs: Sequence[Sequence[Launch]] = ()

    @property
    def launches(self) -> Sequence[Launch]:
        """All exports of the plan."""
        return [*self.single_runs, *(launch for batch in self.batch_runs for launch in batch)]


@dataclass(frozen=True, slots=True)
class LaunchPlanner:
    """Leases pending exports and plans their runs.

    Attributes:
        max_runs: Runs that may be active at once.
        max_single_runs: More pending exports than this are made by batch runs.
        max_batch_runs: Batch runs that may be active at once.
    """

    queue: LaunchQueue
    jobs: WorkerJobs
    orchestrator: Orchestrator
    max_runs: int
    max_single_runs: int
    max_batch_runs: int

    def wait(self, signal: Signal, seconds: float, is_over: Callable[[], bool] = lambda: False) -> LaunchPlan:
        """The next plan, as soon as something is pending; an empty plan after ``seconds``.

        Args:
            signal: Notifies when an export is pending.
            seconds: How long to wait.
            is_over: Whether the plan is no longer wanted; asked before each check.
        """
        deadline = time.monotonic() + seconds
        while not is_over():
            running = self.orchestrator.active_runs()
            free, batch_runs = self.max_runs - running.total, self.max_batch_runs - running.batches
            if batch_runs <= 0 and self.jobs.started_since(STALLED):
                free = 0
            limit = BATCH_SIZE * batch_runs if batch_runs > 0 else min(free, self.max_single_runs)
            if free > 0:
                last = signal.listeners() == 1  # asked before leasing
                if launches := self.queue.lease(limit):
                    return self._plan(launches, min(free, batch_runs), last=last)
            left = deadline - time.monotonic()
            if left <= 0:
                break
            signal.wait(min(left, self._pause() if free > 0 else BUSY_POLL_SECONDS))
        return LaunchPlan()

    def _pause(self) -> float:
        """How long to wait for a notification, in seconds: there is none when a retry becomes due."""
        due = self.jobs.time_to_next_launch()
        if due is None:
            return IDLE_POLL_SECONDS
        return min(due.total_seconds(), IDLE_POLL_SECONDS) if due > timedelta(0) else POLL_SECONDS

    def _plan(self, launches: Sequence[Launch], batch_runs: int, *, last: bool) -> LaunchPlan:
        """Divide launches into runs.

        When the last listening sensor responds, nobody listens for a while: then a batch run, which listens itself, is
        launched in any case.
        """
        if batch_runs <= 0 or not (last or len(launches) > self.max_single_runs):
            return LaunchPlan(single_runs=launches)
        runs = min(batch_runs, len(launches))
        return LaunchPlan(batch_runs=[launches[number::runs] for number in range(runs)])
