"""Making many exports in one run, one after another, until none is pending.

Each is claimed, made and published as by itself (``producing``), so it fails, is cancelled and is lost by itself. What
was published is recorded in batches, because writing it down one by one takes as long as a small export.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.errors import DatabaseUnavailable, ExportError, StorageFull, StorageUnavailable
from analytics_exports.domain.export import JobId, Launch
from analytics_exports.ports import JobStore, Orchestrator, Signal
from analytics_exports.services.producing import Producing, Production

RECORD_EXPORTS, RECORD_SECONDS = 50, 0.25
"""What was published is recorded at the latest when it is so many exports, or so old."""

LINGER_SECONDS = 5.0
"""How long to wait for more: as long as Dagster takes to start a sensor again."""

LONGEST_SECONDS = 60.0
"""Then no more are taken: the run ends, and others have their turn."""

CHUNK_EXPORTS, CHUNK_SECONDS = 25, 2.0
"""Exports taken at a time, fewer when they take longer; what was not begun in time is given back for others to make."""

Published = tuple[Production, Artifact]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Draining:
    """Makes whatever is pending.

    Attributes:
        seats: How many runs may do so at once; one more gives back what it was given and ends.
        hold: How long an export that was taken is nobody else's; longer than it ever waits here.
    """

    jobs: JobStore
    orchestrator: Orchestrator
    producing: Producing
    seats: int
    hold: timedelta

    def drain(
        self, run_id: str, share: Sequence[Launch], signal: Signal, record: Callable[[Sequence[Published]], None]
    ) -> int:
        """Make ``share``, then what else is pending; returns how many were published.

        Args:
            signal: Announces that an export is pending.
            record: Told what was published, several at a time.
        """
        if not signal.sit(self.seats):
            self.jobs.release(share)
            return 0
        published: list[Published] = []
        count, since = 0, time.monotonic()
        supply = self._supply(share, signal)
        try:
            for job_id in supply:
                if job_id is not None and (made := self._make(job_id, run_id)):
                    published.append(made)
                    count += 1
                now = time.monotonic()
                if published and (job_id is None or len(published) >= RECORD_EXPORTS or now - since > RECORD_SECONDS):
                    record(published)
                    published, since = [], now
        except (StorageFull, StorageUnavailable):
            logger.warning("no file can be written; the exports that are left wait")
        finally:
            supply.close()
            if published:
                record(published)
        return count

    def _make(self, job_id: JobId, run_id: str) -> Published | None:
        """One export; ``None`` when it was not published. The job row says why.

        Raises:
            StorageFull, StorageUnavailable: it was not published, and neither would others be.
        """
        try:
            production = self.producing.begin(job_id, run_id)
            return production, production.publish(production.frame)
        except (StorageFull, StorageUnavailable):
            raise
        except ExportError:
            return None

    def _supply(self, share: Sequence[Launch], signal: Signal) -> Generator[JobId | None]:
        """The exports to make; ``None`` each time before waiting for more."""
        ends = time.monotonic() + LONGEST_SECONDS
        size, quiet_until = CHUNK_EXPORTS, time.monotonic() + LINGER_SECONDS
        chunk = share or self._take(size)
        while True:
            if chunk:
                began = time.monotonic()
                yield from self._in_time(chunk)
                size = _chunk_size((time.monotonic() - began) / len(chunk))
                quiet_until = time.monotonic() + LINGER_SECONDS
            else:
                yield None
                left = quiet_until - time.monotonic()
                if left <= 0 or not signal.wait(left):
                    return
            if time.monotonic() >= ends:  # before taking: what is taken is nobody else's for a minute
                return
            chunk = self._take(size)

    def _in_time(self, chunk: Sequence[Launch]) -> Iterator[JobId]:
        """The exports of a chunk, as far as there is time for them. The rest is given back while one is being made."""
        waiting = deque(chunk)
        timer = threading.Timer(2 * CHUNK_SECONDS, self._give_back, (waiting,))
        timer.daemon = True
        timer.start()
        try:
            with self.producing.warehouse.keep_open():
                while launch := _next(waiting):
                    yield launch.job_id
        finally:
            timer.cancel()
            self._give_back(waiting)

    def _give_back(self, waiting: deque[Launch]) -> None:
        """Let others make what is still waiting. If that cannot be said now, they can after the hold."""
        if left := list(iter(lambda: _next(waiting), None)):
            with suppress(DatabaseUnavailable):
                self.jobs.release(left)

    def _take(self, size: int) -> Sequence[Launch]:
        taken = self.jobs.due(size, self.hold)
        if taken:
            self.orchestrator.register([launch.job_id for launch in taken])
        return taken


def _next(waiting: deque[Launch]) -> Launch | None:
    """The first one, removed in one step, because two threads take from it; ``None`` when there is none."""
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _chunk_size(seconds: float) -> int:
    """How many exports to take at a time when each takes so long."""
    return max(1, min(CHUNK_EXPORTS, int(CHUNK_SECONDS / max(seconds, 0.001))))
