"""Sending a file, or parts of it, from an open file object.

The file is opened and measured before the first header is sent, so that removing it does not break a transfer that has
begun. A file that turns out to be shorter breaks the transfer, so that what arrives never looks complete. A reader
thread only waits for the disk, never for the client. Which parts are requested belongs to ``range_requests``.

Each step costs more than copying a small chunk, so a client that takes all at once gets large chunks; a slow one, whose
chunks wait in memory, gets small ones.
"""

import asyncio
import logging
import secrets
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import ExitStack
from typing import BinaryIO

import anyio
from fastapi import Response
from starlette.types import Receive, Scope, Send

logger = logging.getLogger(__name__)

CHUNK, LARGE_CHUNK = 2**18, 2**21
"""Bytes that are read and sent in one step, at first and to a fast client."""

_FAST_BYTES, _FAST_SECONDS = 2**23, 0.01
"""A client is fast when none of its last so many bytes, more than fit in a socket's buffer, waited longer."""


class FileTruncated(Exception):
    """The file is shorter than it was."""


class FileTransfer(Response):
    """The response to a download: the whole file (200), one part, or several parts in one body (206)."""

    def __init__(
        self,
        file: BinaryIO,
        size: int,
        parts: Sequence[range] | None,
        *,
        held: ExitStack,
        headers: Mapping[str, str],
        media_type: str,
        readers: anyio.CapacityLimiter,
        stall_seconds: float,
    ) -> None:
        """Describe the transfer; nothing is sent yet.

        Args:
            parts: What to send of the ``size`` bytes; ``None`` is all.
            held: Closed when the transfer ends, however it ends.
            readers: Limits the threads that read files.
            stall_seconds: How long the client may accept no data.
        """
        self._file = file
        self._held = held
        self._readers = readers
        self._stall_seconds = stall_seconds
        self._sent_at_once = 0
        self._pieces: list[bytes | range] = list(parts or [range(size)])
        more = dict(headers)
        if parts is not None and len(parts) == 1:
            more["Content-Range"] = _content_range(parts[0], size)
        elif parts is not None:
            boundary = secrets.token_hex(16)
            self._pieces = _multipart(parts, size, media_type, boundary)
            media_type = f"multipart/byteranges; boundary={boundary}"
        more["Content-Length"] = str(sum(len(piece) for piece in self._pieces))
        super().__init__(status_code=200 if parts is None else 206, headers=more, media_type=media_type)

    async def __call__(self, _: Scope, receive: Receive, send: Send) -> None:
        """Send until the end, until the client disconnects, or until reading or sending fails."""
        with self._held:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_cancel_when_gone, receive, tasks.cancel_scope)
                try:
                    await self._send(send)
                except (FileTruncated, TimeoutError, OSError) as reason:
                    # The body ends early, so the server closes the connection and the client notices.
                    logger.warning("A download was broken off: %s", type(reason).__name__)
                tasks.cancel_scope.cancel()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for chunk in self._chunks():
            began = time.monotonic()
            async with asyncio.timeout(self._stall_seconds):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            waited = time.monotonic() - began > _FAST_SECONDS
            self._sent_at_once = 0 if waited else self._sent_at_once + len(chunk)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _chunks(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            if isinstance(piece, bytes):
                yield piece
                continue
            start = piece.start
            while start < piece.stop:
                chunk_bytes = LARGE_CHUNK if self._sent_at_once >= _FAST_BYTES else CHUNK
                wanted = min(chunk_bytes, piece.stop - start)
                yield await anyio.to_thread.run_sync(self._read, start, wanted, limiter=self._readers)
                start += wanted

    def _read(self, start: int, wanted: int) -> bytes:
        self._file.seek(start)
        chunk = self._file.read(wanted)
        if len(chunk) < wanted:
            raise FileTruncated
        return chunk


async def _cancel_when_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


def _content_range(part: range, size: int) -> str:
    return f"bytes {part.start}-{part.stop - 1}/{size}"


def _multipart(parts: Sequence[range], size: int, media_type: str, boundary: str) -> list[bytes | range]:
    """The pieces of a ``multipart/byteranges`` body."""
    pieces: list[bytes | range] = []
    for part in parts:
        head = f"--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {_content_range(part, size)}\r\n\r\n"
        pieces += [head.encode("latin-1"), part, b"\r\n"]
    return [*pieces, f"--{boundary}--\r\n".encode()]
