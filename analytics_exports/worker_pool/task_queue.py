"""The queue of tasks that wait for a worker: failures first, then runs, then runs of backfills.

A task is a run to execute, or a run to mark as failed or cancelled because its worker exited. Runs of backfills never
occupy the last worker, so that other requests do not wait for a backfill.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

Task = dict[str, Any]


def run_task(run_id: str, *, backfill: bool = False) -> Task:
    """A task that executes a run."""
    return {"do": "run", "run_id": run_id, "backfill": backfill}


def failure_task(run_id: str, reason: str, *, cancelled: bool = False) -> Task:
    """A task that marks a run as failed, or as cancelled."""
    return {"do": "mark_failed", "run_id": run_id, "reason": reason, "cancelled": cancelled}


def is_failure(task: Task) -> bool:
    """Whether a task marks a run as failed or cancelled."""
    return bool(task["do"] == "mark_failed")


class TaskQueue:
    """Three first-in-first-out queues: failures, runs, and runs of backfills."""

    def __init__(self) -> None:
        """Begin empty."""
        self.failures: deque[Task] = deque()
        self._runs: deque[Task] = deque()
        self._backfills: deque[Task] = deque()

    def add(self, task: Task) -> None:
        """Append a task to its queue."""
        self._queue_of(task).append(task)

    def add_first(self, task: Task) -> None:
        """Put a task at the head of its queue."""
        self._queue_of(task).appendleft(task)

    def remove_run(self, run_id: str) -> bool:
        """Remove a queued run. Returns whether it was queued."""
        for line in (self._runs, self._backfills):
            for task in line:
                if task["run_id"] == run_id:
                    line.remove(task)
                    return True
        return False

    def next_run(self, busy: Sequence[Task], workers: int) -> Task | None:
        """Remove and return the run to execute next; ``None`` when none may start.

        Args:
            busy: The tasks in progress.
            workers: Number of workers.
        """
        if self._runs:
            return self._runs.popleft()
        backfills = sum(task.get("backfill", False) for task in busy)
        if self._backfills and backfills < max(1, workers - 1):
            return self._backfills.popleft()
        return None

    def _queue_of(self, task: Task) -> deque[Task]:
        if is_failure(task):
            return self.failures
        return self._backfills if task["backfill"] else self._runs
