"""State that one API process keeps between requests: rate limits, running downloads and queries.

Limits that apply to all processes together (unfinished exports) are enforced by the jobs table instead.
"""

import threading
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

import anyio
from starlette.concurrency import run_in_threadpool

from analytics_exports.api.errors import TooManyDownloads, TooManyQueries
from analytics_exports.bootstrap.api import ApiServices
from analytics_exports.domain.access import UserId

T = TypeVar("T")

READER_THREADS = 8
"""Threads that read files for downloads; each is busy only while it reads one chunk."""

WINDOW_SECONDS = 60.0
MAX_ADDRESSES = 10_000
"""Addresses remembered; the least recently failed ones are forgotten first."""


class FailedAttempts:
    """Counts invalid tokens by address, over the last minute."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow ``limit`` per minute and address."""
        self._limit = limit
        self._clock = clock
        self._failures: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def record(self, address: str) -> bool:
        """Record an invalid token. Returns whether the address is still within its limit."""
        now = self._clock()
        with self._lock:
            recent = self._failures.pop(address, None) or deque()
            self._failures[address] = recent
            if len(self._failures) > MAX_ADDRESSES:
                del self._failures[next(iter(self._failures))]
            while recent and recent[0] <= now - WINDOW_SECONDS:
                recent.popleft()
            allowed = len(recent) < self._limit
            if allowed:
                recent.append(now)
            return allowed


class DownloadSlots:
    """Limits the running downloads of each user."""

    def __init__(self, limit: int) -> None:
        """Allow ``limit`` downloads per user."""
        self._limit = limit
        self._taken: Counter[UserId] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def acquire(self, user_id: UserId) -> Iterator[None]:
        """Hold one slot inside the block. Raises TooManyDownloads when the limit is reached."""
        with self._lock:
            if self._taken[user_id] >= self._limit:
                raise TooManyDownloads
            self._taken[user_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[user_id] -= 1
                if not self._taken[user_id]:
                    del self._taken[user_id]


class ApiState:
    """The services of a router, and the state that its process keeps between requests."""

    def __init__(self, services: ApiServices) -> None:
        """Begin with nothing running."""
        settings = services.settings
        self.services = services
        self.failed_attempts = FailedAttempts(settings.failed_tokens_per_minute)
        self.downloads = DownloadSlots(settings.downloads_per_user)
        self.readers = anyio.CapacityLimiter(READER_THREADS)
        self._queries = anyio.CapacityLimiter(settings.queries_at_once)

    async def run_query(self, ask: Callable[[], T]) -> T:
        """Call ``ask`` in a thread when a query slot is free. Raises TooManyQueries when that takes too long."""
        async with self._query_slot():
            return await run_in_threadpool(ask)

    @asynccontextmanager
    async def _query_slot(self) -> AsyncIterator[None]:
        turn = object()
        try:
            with anyio.fail_after(self.services.settings.query_queue_seconds):
                await self._queries.acquire_on_behalf_of(turn)
        except TimeoutError:
            raise TooManyQueries from None
        try:
            yield
        finally:
            self._queries.release_on_behalf_of(turn)
