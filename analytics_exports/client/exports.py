"""One export of the caller's, as a coroutine object: where it stands, waiting for it, its file, ending it.

``blocking`` has the same for ordinary programs. How bytes are fetched belongs to ``transfer``.
"""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self, TypeVar

from analytics_exports.client import frames
from analytics_exports.client.errors import DamagedFile, StillRunning, UnexpectedAnswer, of_failure
from analytics_exports.client.exchange import Exchange, parsed
from analytics_exports.client.retrying import retry_after
from analytics_exports.client.transfer import FileChanged, Progress, Transfer, file_name
from analytics_exports.contract.responses import ExportAccepted, ExportOut
from analytics_exports.domain.errors import ExportExpired, ExportUnavailable
from analytics_exports.domain.export import LIVE, Status

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

T = TypeVar("T")

LONG_POLL_SECONDS = 10
"""How long the service may hold an answer back until the export has ended."""

LIVELY_POLL_SECONDS = 1
"""The same when somebody watches the progress."""

POLL_SECONDS = 1.0
"""Pause between two questions to a service that answers at once."""

CHANGES = 3
"""How often the file of an export may be made anew while it is being downloaded."""


class AsyncExport:
    """An export, as the service last described it in ``facts``."""

    def __init__(self, exchange: Exchange, facts: ExportOut) -> None:
        """Made by AsyncClient."""
        self._exchange = exchange
        self.facts = facts

    def __repr__(self) -> str:
        """Which export, and where it stands."""
        return f"<{type(self).__name__} {self.facts.job_id} {self.facts.dataset_name} {self.facts.status}>"

    async def refresh(self) -> Self:
        """Ask how the export is now."""
        self.facts = await self._exchange.get(self._path, ExportOut)
        return self

    async def wait(self, *, timeout: float | None = None, progress: Callable[[ExportOut], None] | None = None) -> Self:
        """Wait until there is a file.

        Args:
            timeout: Seconds to wait at most; for ever by default.
            progress: Called with the facts whenever the service was asked, and at the end.

        Raises:
            StillRunning: the time is over; the export goes on.
            ProductionFailed: the export failed; the subclass says why.
            ExportUnavailable, ExportExpired: it was cancelled, or its file has expired.
        """
        end = None if timeout is None else time.monotonic() + timeout
        patience = LIVELY_POLL_SECONDS if progress else LONG_POLL_SECONDS
        while self.facts.status in LIVE:
            if progress:
                progress(self.facts)
            left = patience if end is None else min(patience, end - time.monotonic())
            if left <= 0:
                raise StillRunning
            await self._follow(left)
        if progress:
            progress(self.facts)
        if self.facts.status is not Status.COMPLETED:
            raise _ended(self.facts)
        return self

    async def download(self, path: str | Path = ".", *, progress: Progress | None = None) -> Path:
        """Wait for the export and bring its file to ``path``, whole and checked, or not at all.

        A download that broke off goes on where it stopped, also when this is called again in another process.

        Args:
            path: A file, or a folder for a file of the name that the service suggests.
            progress: Called with the bytes that are here and the bytes of the whole file, perhaps from another thread.

        Returns:
            Where the file is.

        Raises:
            DamagedFile: the bytes are not the promised ones.
            OSError: the file cannot be written.
            ExportError: as ``wait``.
        """
        await self.wait()
        target = await self._target(Path(path))
        for _ in range(CHANGES):
            transfer = Transfer(self._exchange, f"{self._path}/download", *_promise(self.facts), progress)
            try:
                await transfer.fetch(target)
            except FileChanged:
                await self.refresh()
                await self.wait()
            else:
                return target
        raise DamagedFile

    async def to_polars(self) -> "pl.DataFrame":
        """Wait for the export and load it with Polars. Raises NoTypes, LibraryMissing, or what ``download`` raises."""
        return await self._loaded(frames.to_polars(self.facts))

    async def to_pandas(self) -> "pd.DataFrame":
        """The same with pandas; columns keep their Arrow types, so that no value changes."""
        return await self._loaded(frames.to_pandas(self.facts))

    async def to_arrow(self) -> "pa.Table":
        """The same as an Arrow table."""
        return await self._loaded(frames.to_arrow(self.facts))

    async def cancel(self) -> Self:
        """Stop a live export; of a finished one, remove the file."""
        await self._exchange.send(self._exchange.request("DELETE", self._path))
        return await self.refresh()

    async def retry(self) -> Self:
        """Ask for the same export anew, after it failed, was cancelled or expired. Returns the new one."""
        accepted = await self._exchange.post(f"{self._path}/retry", ExportAccepted)
        return type(self)(self._exchange, await self._exchange.get(f"/exports/{accepted.job_id}", ExportOut))

    @property
    def _path(self) -> str:
        return f"/exports/{self.facts.job_id}"

    async def _follow(self, seconds: float) -> None:
        """Ask for the status, with an answer when the export has ended or so many seconds are over."""
        started = time.monotonic()
        request = self._exchange.request("GET", self._path, headers={"Prefer": f"wait={max(1, int(seconds))}"})
        response = await self._exchange.send(request)
        self.facts = parsed(ExportOut, response)
        asked = retry_after(response.headers)
        pause = min(POLL_SECONDS if asked is None else asked, seconds) - (time.monotonic() - started)
        if self.facts.status in LIVE and pause > 0:  # it was not held back
            await self._exchange.wire.sleep(pause)

    async def _target(self, path: Path) -> Path:
        if not path.is_dir():
            return path
        head = await self._exchange.send(self._exchange.request("HEAD", f"{self._path}/download"))
        return path / (file_name(head) or f"{self.facts.job_id}.{self.facts.format}")

    async def _loaded(self, load: Callable[[Path], T]) -> T:
        with TemporaryDirectory(prefix="analytics-exports-", ignore_cleanup_errors=True) as folder:
            file = await self.download(Path(folder, "rows"))
            return await self._exchange.wire.work(lambda: load(file))


def _promise(facts: ExportOut) -> tuple[str, int]:
    """Checksum and size of the file. Raises UnexpectedAnswer when a completed export has none."""
    if facts.sha256 is None or facts.file_size_bytes is None:
        raise UnexpectedAnswer
    return facts.sha256, facts.file_size_bytes


def _ended(facts: ExportOut) -> Exception:
    """Why there is no file."""
    if facts.status is Status.EXPIRED:
        return ExportExpired()
    if facts.status is Status.CANCELLED:
        return ExportUnavailable("The export was cancelled; a retry makes a new attempt.")
    return of_failure(facts.error)
