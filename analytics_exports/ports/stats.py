"""Statistics for operators: the state of the queue and the files, and the exports that finished."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueSnapshot:
    """The current state of the queue and the files.

    Attributes:
        pending: Exports that wait for a worker.
        pending_seconds: Age of the oldest of them; 0 when there is none.
        running: Exports that are being made.
        files: Files that can be downloaded.
        file_bytes: Their total size.
        skipped_events: Events of Dagster's log that could not be applied.
        overdue_seconds: How long the oldest expired file is overdue for removal; 0 when there is none.
    """

    pending: int
    pending_seconds: float
    running: int
    files: int
    file_bytes: int
    skipped_events: int
    overdue_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedExport:
    """An attempt or export that ended.

    Attributes:
        status: The new status of the export; ``pending`` when it will be attempted again.
        code: Code of the error; empty when there was none.
        seconds: Since a worker first claimed it; ``None`` when none did.
        waited_seconds: How long it had waited for a worker.
        rows: Rows of the file.
        bytes: Size of the file.
    """

    status: str
    code: str
    seconds: float | None
    waited_seconds: float | None
    rows: int
    bytes: int


class Stats(Protocol):
    """Statistics about the exports of all users."""

    def snapshot(self) -> QueueSnapshot:
        """The current state."""

    def latest_position(self) -> int:
        """The position of the newest change."""

    def finished_after(self, after: int, limit: int) -> tuple[int, Sequence[FinishedExport]]:
        """Attempts and exports that ended after position ``after``, oldest first, and the position read up to."""
