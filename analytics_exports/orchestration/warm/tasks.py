"""What waits for a worker: burials before runs, and runs of backfills last.

A task is a run to make, or a run to bury: one whose worker ended without a word, declared failed or cancelled in
Dagster. Runs of backfills never take the last worker, so that what people ask for meanwhile does not wait for them.
"""

from collections import deque
from collections.abc import Sequence
from typing import Any

Task = dict[str, Any]


def run_task(run_id: str, *, backfill: bool = False) -> Task:
    """A run to make."""
    return {"do": "run", "run_id": run_id, "backfill": backfill}


def burial_task(run_id: str, reason: str, *, cancelled: bool = False) -> Task:
    """A run to declare ended."""
    return {"do": "bury", "run_id": run_id, "reason": reason, "cancelled": cancelled}


def is_burial(task: Task) -> bool:
    """Whether a task is to declare a run ended."""
    return bool(task["do"] == "bury")


class WaitingTasks:
    """The tasks that no worker has yet, each kind in the order in which they came."""

    def __init__(self) -> None:
        """Begin with none."""
        self.burials: deque[Task] = deque()
        self._runs: deque[Task] = deque()
        self._backfills: deque[Task] = deque()

    def add(self, task: Task) -> None:
        """Put a task behind those of its kind."""
        self._line(task).append(task)

    def add_first(self, task: Task) -> None:
        """Put a task before those of its kind."""
        self._line(task).appendleft(task)

    def remove_run(self, run_id: str) -> bool:
        """Remove a run that waits; whether it was there."""
        for line in (self._runs, self._backfills):
            for task in line:
                if task["run_id"] == run_id:
                    line.remove(task)
                    return True
        return False

    def next_run(self, busy: Sequence[Task], workers: int) -> Task | None:
        """Remove and return the run to make next, if one may begin.

        Args:
            busy: What the workers are doing.
            workers: How many there are.
        """
        if self._runs:
            return self._runs.popleft()
        backfills = sum(task.get("backfill", False) for task in busy)
        if self._backfills and backfills < max(1, workers - 1):
            return self._backfills.popleft()
        return None

    def _line(self, task: Task) -> deque[Task]:
        if is_burial(task):
            return self.burials
        return self._backfills if task["backfill"] else self._runs
