"""What operators count: how the queue and the files stand, and which exports ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """How things stand now.

    Attributes:
        pending: Exports that wait for a worker.
        pending_seconds: For how long the one that waits longest has; 0 when none does.
        running: Exports that are being made.
        files: Files that can be downloaded.
        file_bytes: Their size.
        skipped_events: Events of Dagster's log that could not be read back.
        overdue_seconds: For how long the file that should have been removed first is overdue; 0 when none is.
    """

    pending: int
    pending_seconds: float
    running: int
    files: int
    file_bytes: int
    skipped_events: int
    overdue_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """One attempt or export that came to an end.

    Attributes:
        status: What the export became; ``pending`` when it will be attempted again.
        code: Of the error, empty when there was none.
        seconds: Since a worker first had it; ``None`` when none did.
        waited_seconds: How long it had waited for a worker.
        rows: How many the file has.
        bytes: How large it is.
    """

    status: str
    code: str
    seconds: float | None
    waited_seconds: float | None
    rows: int
    bytes: int


class Figures(Protocol):
    """Numbers about all exports, of everybody."""

    def stock(self) -> Stock:
        """How things stand now."""

    def newest(self) -> int:
        """The position of the newest change."""

    def ended(self, after: int, limit: int) -> tuple[int, Sequence[Ended]]:
        """Attempts and exports that ended after position ``after``, oldest first, and the position that reads up to."""
