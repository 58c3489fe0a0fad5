"""Waiting for an export to change, without asking over and over.

A thread that hears what the database announces tells ``Waiting``, and tasks that wait for that export go on. A task
watches before it looks, so that no change falls between.
"""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from analytics_exports.domain.export import JobId


class Watch:
    """Somebody's eye on one export, from a task of an event loop."""

    def __init__(self) -> None:
        """Watch from here on."""
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    async def changed(self, seconds: float) -> bool:
        """Wait until the export has changed since the last call, at most so long; whether it has."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        changed = self._changed.is_set()
        self._changed.clear()
        return changed

    def tell(self) -> None:
        """The export has changed. May be called from any thread."""
        with suppress(RuntimeError):  # the loop has ended, and the task with it
            self._loop.call_soon_threadsafe(self._changed.set)


class Waiting:
    """Who watches which export in this process."""

    def __init__(self) -> None:
        """Nobody watches yet."""
        self._watches: dict[str, set[Watch]] = defaultdict(set)
        self._lock = threading.Lock()

    @contextmanager
    def watching(self, job_id: JobId) -> Iterator[Watch]:
        """Watch an export inside the block."""
        watch, key = Watch(), str(job_id)
        with self._lock:
            self._watches[key].add(watch)
        try:
            yield watch
        finally:
            with self._lock:
                self._watches[key].discard(watch)
                if not self._watches[key]:
                    del self._watches[key]

    def tell(self, job_ids: Iterable[str]) -> None:
        """These exports have changed."""
        with self._lock:
            told = [watch for job_id in job_ids for watch in self._watches.get(job_id, ())]
        for watch in told:
            watch.tell()

    def tell_all(self) -> None:
        """Announcements may have been missed: let everybody look."""
        with self._lock:
            everybody = list(self._watches)
        self.tell(everybody)
