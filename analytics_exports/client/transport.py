"""HTTP for blocking and for asynchronous programs behind one small Protocol.

The rest of this package is written once, as coroutines over a Transport. With an AsyncTransport they are awaited; with
a BlockingTransport they never suspend, so ``run`` completes them in one step. Knowledge of the service does not belong
here.
"""

import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import suppress
from typing import Any, Protocol, TypeVar

import anyio
import anyio.to_thread
import httpx

T = TypeVar("T")

ChunkWriter = Callable[[bytes], None]
"""Takes the next piece of a body."""

BodyHandler = Callable[[httpx.Response], ChunkWriter | None]
"""Given the head of a response, returns where its body goes; ``None`` to read it into memory."""


def may_redirect(request: httpx.Request) -> bool:
    """Whether redirects are followed: only downloads are redirected, to an object store."""
    return request.url.path.endswith("/download")


class Transport(Protocol):
    """The HTTP operations that the client needs."""

    async def send(self, request: httpx.Request, handle_body: BodyHandler) -> httpx.Response:
        """Send a request and return its response, with the body read or written to the ChunkWriter.

        Each piece is passed on as it arrives, so that nothing is lost when the transfer breaks off.

        Raises:
            httpx.TransportError: there is no response, or it broke off.
        """

    async def sleep(self, seconds: float) -> None:
        """Sleep for ``seconds``."""

    async def run_blocking(self, task: Callable[[], T]) -> T:
        """Run a blocking function, such as reading a file."""

    async def close(self) -> None:
        """Close the connections."""


class BlockingTransport:
    """A Transport for ordinary programs: no method suspends."""

    def __init__(self, timeout: float, transport: httpx.BaseTransport | None = None) -> None:
        """Open nothing yet; ``timeout`` is in seconds, to connect and between two pieces of a response."""
        self._http = httpx.Client(timeout=timeout, transport=transport)

    async def send(self, request: httpx.Request, handle_body: BodyHandler) -> httpx.Response:
        """Send a request on the calling thread."""
        response = self._http.send(request, stream=True, follow_redirects=may_redirect(request))
        try:
            write_chunk = handle_body(response)
            if write_chunk is None:
                response.read()
            else:
                for chunk in response.iter_raw():
                    write_chunk(chunk)
        finally:
            response.close()
        return response

    async def sleep(self, seconds: float) -> None:
        """Sleep on the calling thread."""
        time.sleep(seconds)

    async def run_blocking(self, task: Callable[[], T]) -> T:
        """Call ``task`` on the calling thread."""
        return task()

    async def close(self) -> None:
        """Close the connections."""
        self._http.close()


class AsyncTransport:
    """A Transport for asyncio and trio. Files are accessed in threads, so that no other task waits for a disk."""

    def __init__(self, timeout: float, transport: httpx.AsyncBaseTransport | None = None) -> None:
        """Open nothing yet; ``timeout`` is in seconds, to connect and between two pieces of a response."""
        self._http = httpx.AsyncClient(timeout=timeout, transport=transport)

    async def send(self, request: httpx.Request, handle_body: BodyHandler) -> httpx.Response:
        """Send a request on the event loop."""
        response = await self._http.send(request, stream=True, follow_redirects=may_redirect(request))
        try:
            write_chunk = handle_body(response)
            if write_chunk is None:
                await response.aread()
            else:
                async for chunk in response.aiter_raw():
                    await anyio.to_thread.run_sync(write_chunk, chunk)
        finally:
            await response.aclose()
        return response

    async def sleep(self, seconds: float) -> None:
        """Sleep on the event loop."""
        await anyio.sleep(seconds)

    async def run_blocking(self, task: Callable[[], T]) -> T:
        """Call ``task`` in a thread."""
        return await anyio.to_thread.run_sync(task)

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()


def run(steps: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine over a BlockingTransport. Works in any thread, also within a running event loop."""
    try:
        steps.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    steps.close()
    raise RuntimeError("A coroutine over a BlockingTransport was suspended.")


def iterate(items: AsyncIterator[T]) -> Iterator[T]:
    """The items of an asynchronous iterator over a BlockingTransport."""
    with suppress(StopAsyncIteration):
        while True:
            yield run(_next(items))


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)
