"""Waiting for an export to change, without polling.

A thread that receives the database's notifications calls ``ChangeHub.notify``, which wakes the tasks that wait for that
export. A task subscribes before it reads the export, so that no change is missed.
"""

import asyncio
import threading
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress

from analytics_exports.domain.export import JobId


class Subscription:
    """A subscription to the changes of one export, for a task of an event loop."""

    def __init__(self) -> None:
        """Subscribe from the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()

    async def wait(self, seconds: float) -> bool:
        """Wait until the export has changed since the last call. Returns ``False`` after ``seconds``."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        changed = self._changed.is_set()
        self._changed.clear()
        return changed

    def notify(self) -> None:
        """Wake the task. May be called from any thread."""
        with suppress(RuntimeError):  # the event loop is closed
            self._loop.call_soon_threadsafe(self._changed.set)


class ChangeHub:
    """The subscriptions of this process, by export."""

    def __init__(self) -> None:
        """Begin without subscriptions."""
        self._subscriptions: dict[str, set[Subscription]] = defaultdict(set)
        self._lock = threading.Lock()

    @contextmanager
    def subscribe(self, job_id: JobId) -> Iterator[Subscription]:
        """Subscribe to an export inside the block."""
        subscription, key = Subscription(), str(job_id)
        with self._lock:
            self._subscriptions[key].add(subscription)
        try:
            yield subscription
        finally:
            with self._lock:
                self._subscriptions[key].discard(subscription)
                if not self._subscriptions[key]:
                    del self._subscriptions[key]

    def notify(self, job_ids: Iterable[str]) -> None:
        """Wake the tasks that wait for these exports."""
        with self._lock:
            subscriptions = [subscription for job_id in job_ids for subscription in self._subscriptions.get(job_id, ())]
        for subscription in subscriptions:
            subscription.notify()

    def notify_all(self) -> None:
        """Wake every waiting task: notifications may have been missed."""
        with self._lock:
            everybody = list(self._subscriptions)
        self.notify(everybody)
