"""A thread that keeps a claim alive while its file is written, and stores progress in the job row.

It renews the lease once a second while there is progress to store, and otherwise often enough for the lease. When the
claim is lost (cancelled, or taken over) it stops the work. A database that is away for a while does no harm: publishing
verifies the claim once more.

For an export that takes longer than one interval, the total number of rows is counted in a second thread, so that
progress can be shown as a percentage; short exports do not pay for it. The count is interrupted when the work ends.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Self

from analytics_exports.domain.errors import DatabaseUnavailable, ExportError
from analytics_exports.domain.export import Claim
from analytics_exports.ports import OnStart, WorkerJobs

PROGRESS_SECONDS = 1.0
COUNT_STOP_SECONDS = 1.0
"""How long the end of the work waits for an interrupted count, in seconds."""


class Heartbeat:
    """Renews a claim from entering to leaving its context.

    Attributes:
        lost: Whether the claim was lost.
    """

    def __init__(self, jobs: WorkerJobs, claim: Claim, lease: timedelta) -> None:
        """Renew ``claim``, which expires when it is not renewed for ``lease``."""
        self.lost = False
        self._jobs = jobs
        self._claim = claim
        self._lease = lease
        self._written = {"rows_written": 0, "bytes_written": 0}
        self._stop_work: Callable[[], None] = lambda: None
        self._count: Callable[[OnStart], int] | None = None
        self._counting: threading.Thread | None = None
        self._stop_counting: Callable[[], None] = lambda: None
        self._total: dict[str, int] = {}
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(self, *_: "type[BaseException] | BaseException | TracebackType | None") -> None:
        """Stop the thread, wait for a renewal in progress, and interrupt the count."""
        self._done.set()
        self._thread.join()
        if self._counting is not None:
            self._stop_counting()
            self._counting.join(COUNT_STOP_SECONDS)

    def stop_when_lost(self, stop: Callable[[], None]) -> None:
        """Call ``stop`` from the heartbeat thread when the claim is lost."""
        self._stop_work = stop

    def count_with(self, count: Callable[[OnStart], int]) -> None:
        """Count all rows with ``count`` once the work takes longer than one interval.

        Args:
            count: Is given a callback that receives the function to interrupt it (see ``ports.Warehouse.count``).
        """
        self._count = count

    def progress(self, rows: int, size: int) -> None:
        """Note rows and bytes written so far. Cheap: nothing is stored yet."""
        self._written = {"rows_written": rows, "bytes_written": size}

    def _run(self) -> None:
        quiet, reported = 0.0, self._known()
        while not self._done.wait(PROGRESS_SECONDS):
            self._begin_counting()
            quiet += PROGRESS_SECONDS
            if self._known() == reported and quiet < self._lease.total_seconds() / 4:
                continue
            quiet, reported = 0.0, self._known()
            if not self._beat(reported):
                self.lost = True
                self._stop_work()
                self._stop_counting()
                return

    def _known(self) -> dict[str, int]:
        return {**self._written, **self._total}

    def _begin_counting(self) -> None:
        count, self._count = self._count, None
        if count is not None:
            self._counting = threading.Thread(target=self._note_total, args=(count,), name="row-count", daemon=True)
            self._counting.start()

    def _note_total(self, count: Callable[[OnStart], int]) -> None:
        with suppress(ExportError):  # progress has no percentage then; the export reports the error
            self._total = {"rows_total": count(self._on_count_start)}

    def _on_count_start(self, interrupt: Callable[[], None]) -> None:
        """Keep the function that interrupts the count; call it at once if the work has ended meanwhile."""
        self._stop_counting = interrupt
        if self._done.is_set() or self.lost:
            interrupt()

    def _beat(self, progress: dict[str, int]) -> bool:
        try:
            return self._jobs.renew(self._claim, self._lease, progress)
        except DatabaseUnavailable:
            return True
