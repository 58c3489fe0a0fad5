"""Downloading a file completely or not at all: resumed where it broke off, and verified before it is published.

Size and checksum come from the export's status. When the response is about another file, because the export was made
again meanwhile, its body is not read, and the caller reads the status again.
"""

import re
from collections.abc import Callable
from email.message import Message
from http import HTTPStatus
from pathlib import Path

import httpx

from analytics_exports.client.errors import DamagedFile, ServiceUnreachable, UnexpectedAnswer
from analytics_exports.client.exchange import Exchange
from analytics_exports.client.partial_file import PartialFile
from analytics_exports.client.transport import ChunkWriter

TRIES = 2
"""How often a file is downloaded from its first byte before it counts as damaged."""

Progress = Callable[[int, int], None]
"""Called with the bytes received and the size of the file."""


class FileChanged(Exception):
    """The service has another file than the status said."""


class Transfer:
    """A download of one file."""

    def __init__(self, exchange: Exchange, path: str, sha256: str, size: int, progress: Progress | None) -> None:
        """Describe the file; nothing is requested yet. ``path`` is relative to the service's base URL."""
        self._exchange = exchange
        self._path = path
        self._etag = f'"{sha256}"'
        self._facts = sha256, size
        self._size = size
        self._progress = progress

    async def fetch(self, target: Path) -> None:
        """Download the file to ``target``.

        Raises:
            DamagedFile: its bytes were wrong, twice.
            FileChanged: the service has another file by now.
            ExportError: the error in the response.
            OSError: the file cannot be written.
        """
        work = self._exchange.transport.run_blocking
        partial = await work(lambda: PartialFile(target, *self._facts))
        try:
            for _ in range(TRIES):
                while partial.size < self._size:
                    await self._exchange.with_retries(lambda: self._more(partial))
                if await work(partial.publish):
                    return
                partial.restart()
            partial.drop()
            raise DamagedFile
        except FileChanged:
            partial.drop()
            raise
        finally:
            partial.close()

    async def _more(self, partial: PartialFile) -> None:
        """Request the missing bytes. A broken transfer is no error as long as each brings some."""
        before = partial.size
        request = self._exchange.request("GET", self._path, headers=self._range(before))
        try:
            await self._exchange.send_once(request, lambda response: self._chunk_writer(response, partial))
        except ServiceUnreachable:
            if partial.size <= before:
                raise
        else:
            if partial.size <= before:
                raise UnexpectedAnswer

    def _range(self, start: int) -> dict[str, str]:
        return {"Range": f"bytes={start}-", "If-Range": self._etag} if start else {}

    def _chunk_writer(self, response: httpx.Response, partial: PartialFile) -> ChunkWriter:
        """Where the body of this response goes, according to its headers."""
        if not response.history and response.headers.get("ETag", self._etag) != self._etag:
            raise FileChanged
        if response.status_code != HTTPStatus.PARTIAL_CONTENT:
            partial.restart()
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {partial.size}-"):
            raise UnexpectedAnswer
        return self._writing(partial)

    def _writing(self, partial: PartialFile) -> ChunkWriter:
        def write_chunk(chunk: bytes) -> None:
            partial.write(chunk)
            if self._progress:
                self._progress(partial.size, self._size)

        return write_chunk


def suggested_name(response: httpx.Response) -> str | None:
    """The file name that a response suggests, without folders; ``None`` when there is no usable one."""
    header = Message()
    header["Content-Disposition"] = response.headers.get("Content-Disposition", "")
    name = re.split(r"[/\\]", header.get_filename(""))[-1]
    return name if name.isprintable() and name.strip(". ") else None
