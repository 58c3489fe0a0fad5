"""Making many exports in one run, one after another, until none is pending.

Each export is claimed, made and published as in a run of its own (``production``), so each fails, is cancelled and is
lost independently. Publications are recorded in batches, because recording one takes as long as making a small export.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.errors import DatabaseUnavailable, ExportError, StorageFull, StorageUnavailable
from analytics_exports.domain.export import JobId, Launch
from analytics_exports.ports import Signal
from analytics_exports.services.launch_queue import LaunchQueue
from analytics_exports.services.production import Producer, Production

RECORD_EXPORTS, RECORD_SECONDS = 50, 0.25
"""Publications are recorded when there are so many, or when the first of them is so old (seconds)."""

IDLE_SECONDS = 5.0
"""How long a run waits for more exports, in seconds: as long as Dagster takes to start a sensor again."""

MAX_SECONDS = 60.0
"""After so many seconds a run leases no more exports and ends, so that other runs get a worker."""

CHUNK_EXPORTS, CHUNK_SECONDS = 25, 2.0
"""Exports leased at a time, fewer when each takes longer; those not started within ``CHUNK_SECONDS`` are unleased."""

Published = tuple[Production, Artifact]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class BatchProduction:
    """Makes pending exports in one run.

    Attributes:
        max_runs: Batch runs that may be active at once; a further one unleases its batch and ends.
    """

    queue: LaunchQueue
    producer: Producer
    max_runs: int

    def export_batch(
        self, run_id: str, batch: Sequence[Launch], signal: Signal, record: Callable[[Sequence[Published]], None]
    ) -> int:
        """Make ``batch``, then whatever else is pending. Returns how many exports were published.

        Args:
            batch: The exports that the run was launched for.
            signal: Notifies when an export is pending.
            record: Called with several publications at a time.
        """
        if not signal.acquire_slot(self.max_runs):
            self.queue.unlease(batch)
            return 0
        published: list[Published] = []
        count, first = 0, 0.0
        supply = self._supply(batch, signal)
        try:
            for job_id in supply:
                if job_id is not None and (made := self._make(job_id, run_id)):
                    first = first if published else time.monotonic()
                    published.append(made)
                    count += 1
                if published and (job_id is None or _full(published, time.monotonic() - first)):
                    record(published)
                    published = []
        except (StorageFull, StorageUnavailable):
            logger.warning("no file can be written; the exports that are left wait")
        finally:
            supply.close()
            if published:
                record(published)
        return count

    def _make(self, job_id: JobId, run_id: str) -> Published | None:
        """Make one export; ``None`` when it was not published. The job row says why.

        Raises:
            StorageFull, StorageUnavailable: it was not published, and no other export could be either.
        """
        try:
            production = self.producer.begin(job_id, run_id)
            return production, production.publish()
        except (StorageFull, StorageUnavailable):
            raise
        except ExportError:
            return None

    def _supply(self, batch: Sequence[Launch], signal: Signal) -> Generator[JobId | None]:
        """The exports to make; ``None`` each time before waiting for more."""
        ends = time.monotonic() + MAX_SECONDS
        size, quiet_until = CHUNK_EXPORTS, time.monotonic() + IDLE_SECONDS
        chunk = batch or self.queue.lease(size)
        while True:
            with self.producer.warehouse.keep_alive():
                while chunk:
                    began = time.monotonic()
                    yield from self._in_time(chunk)
                    size = _chunk_size((time.monotonic() - began) / len(chunk))
                    quiet_until = time.monotonic() + IDLE_SECONDS
                    if time.monotonic() >= ends:  # checked before leasing more
                        return
                    chunk = self.queue.lease(size)
            yield None
            left = quiet_until - time.monotonic()
            if left <= 0 or not signal.wait(left) or time.monotonic() >= ends:
                return
            chunk = self.queue.lease(size)

    def _in_time(self, chunk: Sequence[Launch]) -> Iterator[JobId]:
        """The exports of a chunk that can be started in time. The rest is unleased while one is being made."""
        waiting = deque(chunk)
        timer = threading.Timer(2 * CHUNK_SECONDS, self._unlease, (waiting,))
        timer.daemon = True
        timer.start()
        try:
            while launch := _next(waiting):
                yield launch.job_id
        finally:
            timer.cancel()
            self._unlease(waiting)

    def _unlease(self, waiting: deque[Launch]) -> None:
        """Unlease what is still waiting. If the database is away, other runs get it when the lease has expired."""
        if left := list(iter(lambda: _next(waiting), None)):
            with suppress(DatabaseUnavailable):
                self.queue.unlease(left)


def _next(waiting: deque[Launch]) -> Launch | None:
    """Remove and return the first launch, or ``None``; atomic, because two threads take from the queue."""
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _full(published: Sequence[Published], seconds: float) -> bool:
    """Whether to record these publications, the first of which is ``seconds`` old."""
    return len(published) >= RECORD_EXPORTS or seconds > RECORD_SECONDS


def _chunk_size(seconds: float) -> int:
    """How many exports to lease at a time when each takes ``seconds``."""
    return max(1, min(CHUNK_EXPORTS, int(CHUNK_SECONDS / max(seconds, 0.001))))
