"""What one API process keeps between requests: who failed to authenticate, what is running, who vouches for callers.

Limits that must hold over all processes (unfinished exports) are kept by the jobs table instead.
"""

import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TypeVar

import anyio
from starlette.concurrency import run_in_threadpool

from analytics_exports.api.attempts import Attempts
from analytics_exports.api.errors import TooManyDownloads, TooManyQueries
from analytics_exports.api.jwt import JwtIdentity
from analytics_exports.bootstrap import Application
from analytics_exports.domain.access import UserId

T = TypeVar("T")

READERS = 8
"""Threads that read files for downloads; each is busy for the moment that one chunk takes."""


class Slots:
    """Counts what each user has running."""

    def __init__(self, most: int) -> None:
        """Allow ``most`` at once."""
        self._most = most
        self._taken: Counter[UserId] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def taken(self, user_id: UserId) -> Iterator[None]:
        """Hold one slot inside the block. Raises TooManyDownloads when all are taken."""
        with self._lock:
            if self._taken[user_id] >= self._most:
                raise TooManyDownloads
            self._taken[user_id] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[user_id] -= 1
                if not self._taken[user_id]:
                    del self._taken[user_id]


class Gate:
    """The services of a router, and what its process keeps between requests."""

    def __init__(self, services: Application) -> None:
        """Begin with nothing running."""
        settings = services.settings
        self.services = services
        self.attempts = Attempts(settings.failed_tokens_per_minute)
        self.downloads = Slots(settings.downloads_per_user)
        self.readers = anyio.CapacityLimiter(READERS)
        self.identity = _identity(services) if settings.jwt_issuer else None
        self._queries = anyio.CapacityLimiter(settings.queries_at_once)

    async def query(self, ask: Callable[[], T]) -> T:
        """What ``ask`` returns, from a thread, when it is its turn. Raises TooManyQueries when that takes too long."""
        async with self._turn():
            return await run_in_threadpool(ask)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
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


def _identity(services: Application) -> JwtIdentity:
    settings = services.settings
    return JwtIdentity(
        services.directory,
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        algorithms=settings.jwt_algorithms.split(","),
        key=settings.jwt_key,
        jwks_url=settings.jwt_jwks_url,
    )
