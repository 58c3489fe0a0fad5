"""Downloading a file that arrives whole or not at all: resumed where it broke off, and checked before it is published.

Facts of the file (size, checksum) come from the export's status. An answer about another file, because the export was
made again meanwhile, is not read: its caller looks at the status again.
"""

import re
from collections.abc import Callable
from email.message import Message
from http import HTTPStatus
from pathlib import Path

import httpx

from analytics_exports.client.errors import DamagedFile, ServiceUnreachable, UnexpectedAnswer
from analytics_exports.client.exchange import Exchange
from analytics_exports.client.partial import Partial
from analytics_exports.client.wire import Sink

TRIES = 2
"""How often a file is fetched from its first byte before it counts as damaged."""

Progress = Callable[[int, int], None]
"""Told how many bytes there are, and of how many."""


class FileChanged(Exception):
    """The service has another file than the status said."""


class Transfer:
    """One file of the service, to be fetched."""

    def __init__(self, exchange: Exchange, path: str, sha256: str, size: int, progress: Progress | None) -> None:
        """Describe the file; nothing is asked for yet. ``path`` is the download's, below the service's address."""
        self._exchange = exchange
        self._path = path
        self._etag = f'"{sha256}"'
        self._facts = sha256, size
        self._size = size
        self._progress = progress

    async def fetch(self, target: Path) -> None:
        """Bring the file to ``target``.

        Raises:
            DamagedFile: its bytes are not the promised ones, twice.
            FileChanged: the service has another file by now.
            ExportError: what the service answered.
            OSError: the file cannot be written.
        """
        work = self._exchange.wire.work
        partial = await work(lambda: Partial(target, *self._facts))
        try:
            for _ in range(TRIES):
                while partial.size < self._size:
                    await self._exchange.repeated(lambda: self._more(partial))
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

    async def _more(self, partial: Partial) -> None:
        """Ask for the bytes that are missing. A transfer that broke off is no error as long as each brings some."""
        before = partial.size
        request = self._exchange.request("GET", self._path, headers=self._range(before))
        try:
            await self._exchange.once(request, lambda response: self._sink(response, partial))
        except ServiceUnreachable:
            if partial.size <= before:
                raise
        else:
            if partial.size <= before:
                raise UnexpectedAnswer

    def _range(self, start: int) -> dict[str, str]:
        return {"Range": f"bytes={start}-", "If-Range": self._etag} if start else {}

    def _sink(self, response: httpx.Response, partial: Partial) -> Sink:
        """Where the body of this answer goes, given what it says of itself."""
        if not response.history and response.headers.get("ETag", self._etag) != self._etag:
            raise FileChanged
        if response.status_code != HTTPStatus.PARTIAL_CONTENT:
            partial.restart()
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {partial.size}-"):
            raise UnexpectedAnswer
        return self._noting(partial)

    def _noting(self, partial: Partial) -> Sink:
        def sink(chunk: bytes) -> None:
            partial.write(chunk)
            if self._progress:
                self._progress(partial.size, self._size)

        return sink


def file_name(response: httpx.Response) -> str | None:
    """The name that an answer suggests for its file, without folders; ``None`` when there is no usable one."""
    header = Message()
    header["Content-Disposition"] = response.headers.get("Content-Disposition", "")
    name = re.split(r"[/\\]", header.get_filename(""))[-1]
    return name if name.isprintable() and name.strip(". ") else None
