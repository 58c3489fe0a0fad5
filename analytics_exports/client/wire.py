"""How bytes reach the service: one small Protocol, once over blocking httpx and once over asynchronous httpx.

Everything else in this package is written once, as coroutines over a Wire. Over an AsyncWire they are awaited; over a
BlockingWire they never have to wait for an event loop, so ``finish`` runs them to their end with one step. Knowledge of
the service does not belong here.
"""

import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import anyio
import anyio.to_thread
import httpx

T = TypeVar("T")

Sink = Callable[[bytes], None]
"""Takes the next piece of a body."""

Taker = Callable[[httpx.Response], Sink | None]
"""Looks at the head of an answer; returns where its body goes, or ``None`` to have it read into memory."""


def elsewhere(request: httpx.Request) -> bool:
    """Whether the answer may be at another address: only a file can be, in an object store."""
    return request.url.path.endswith("/download")


class Wire(Protocol):
    """What the rest of the client asks of the outside."""

    async def send(self, request: httpx.Request, take: Taker) -> httpx.Response:
        """Send a request and return its answer, the body read or given to the sink.

        The sink gets every piece as it comes: pieces that are put together first are lost when the transfer breaks off.

        Raises:
            httpx.TransportError: there is no answer, or it broke off.
        """

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def work(self, task: Callable[[], T]) -> T:
        """Do something that blocks, such as reading a file."""

    async def close(self) -> None:
        """Close the connections."""


class BlockingWire:
    """A Wire for ordinary programs: every method returns without suspending."""

    def __init__(self, timeout: float, transport: httpx.BaseTransport | None = None) -> None:
        """Open nothing yet; ``timeout`` is in seconds, to connect and between two pieces of an answer."""
        self._http = httpx.Client(timeout=timeout, transport=transport)

    async def send(self, request: httpx.Request, take: Taker) -> httpx.Response:
        """As the Protocol says."""
        response = self._http.send(request, stream=True, follow_redirects=elsewhere(request))
        try:
            sink = take(response)
            if sink is None:
                response.read()
            else:
                for chunk in response.iter_raw():
                    sink(chunk)
        finally:
            response.close()
        return response

    async def sleep(self, seconds: float) -> None:
        """As the Protocol says."""
        time.sleep(seconds)

    async def work(self, task: Callable[[], T]) -> T:
        """As the Protocol says."""
        return task()

    async def close(self) -> None:
        """As the Protocol says."""
        self._http.close()


class AsyncWire:
    """A Wire for asyncio and trio. Work on files is done in threads, so that no other task waits for a disk."""

    def __init__(self, timeout: float, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Open nothing yet; ``timeout`` is in seconds, to connect and between two pieces of an answer."""
        self._http = httpx.AsyncClient(timeout=timeout, transport=transport)

    async def send(self, request: httpx.Request, take: Taker) -> httpx.Response:
        """As the Protocol says."""
        response = await self._http.send(request, stream=True, follow_redirects=elsewhere(request))
        try:
            sink = take(response)
            if sink is None:
                await response.aread()
            else:
                async for chunk in response.aiter_raw():
                    await anyio.to_thread.run_sync(sink, chunk)
        finally:
            await response.aclose()
        return response

    async def sleep(self, seconds: float) -> None:
        """As the Protocol says."""
        await anyio.sleep(seconds)

    async def work(self, task: Callable[[], T]) -> T:
        """As the Protocol says."""
        return await anyio.to_thread.run_sync(task)

    async def close(self) -> None:
        """As the Protocol says."""
        await self._http.aclose()


def finish(steps: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine over a BlockingWire; it works in any thread, also in one that has an event loop."""
    try:
        steps.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    steps.close()
    raise RuntimeError("A coroutine over a blocking wire was suspended.")


def each(items: AsyncIterator[T]) -> Iterator[T]:
    """The items of an asynchronous iterator over a BlockingWire."""
    with suppress(StopAsyncIteration):
        while True:
            yield finish(_next(items))


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)
