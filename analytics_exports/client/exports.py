"""One export as an asynchronous object: its status, waiting for it, its file, cancelling and retrying it.

``blocking`` has the same for ordinary programs. Downloading belongs to ``transfer``.
"""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self, TypeVar

from analytics_exports.client import frames
from analytics_exports.client.errors import DamagedFile, StillRunning, UnexpectedAnswer, error_from_failure
from analytics_exports.client.exchange import Exchange, parsed
from analytics_exports.client.retrying import retry_after
from analytics_exports.client.transfer import FileChanged, Progress, Transfer, suggested_name
from analytics_exports.contract.responses import ExportAccepted, ExportOut
from analytics_exports.domain.errors import ExportExpired, ExportUnavailable
from analytics_exports.domain.export import LIVE, Status

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

T = TypeVar("T")

LONG_POLL_SECONDS = 10
"""How long the service may delay a response until the export has ended, in seconds."""

LIVELY_POLL_SECONDS = 1
"""The same when progress is shown."""

POLL_SECONDS = 1.0
"""Pause between two requests when the service does not delay responses, in seconds."""

CHANGES = 3
"""How often the file of an export may be replaced while it is being downloaded."""


class AsyncExport:
    """An export, as the service last described it in ``facts``."""

    def __init__(self, exchange: Exchange, facts: ExportOut) -> None:
        """Called by AsyncClient."""
        self._exchange = exchange
        self.facts = facts

    def __repr__(self) -> str:
        """The export and its status."""
        return f"<{type(self).__name__} {self.facts.job_id} {self.facts.dataset_name} {self.facts.status}>"

    async def refresh(self) -> Self:
        """Request the current status."""
        self.facts = await self._exchange.get(self._path, ExportOut)
        return self

    async def wait(self, *, timeout: float | None = None, progress: Callable[[ExportOut], None] | None = None) -> Self:
        """Wait until there is a file.

        Args:
            timeout: Maximum seconds to wait; unlimited by default.
            progress: Called with the status after each request, and at the end.

        Raises:
            StillRunning: the timeout is over; the export continues.
            ProductionFailed: the export failed; the subclass says why.
            ExportUnavailable, ExportExpired: it was cancelled, or its file has expired.
        """
        end = None if timeout is None else time.monotonic() + timeout
        longest = LIVELY_POLL_SECONDS if progress else LONG_POLL_SECONDS
        while self.facts.status in LIVE:
            if progress:
                progress(self.facts)
            left = longest if end is None else min(longest, end - time.monotonic())
            if left <= 0:
                raise StillRunning
            await self._poll(left)
        if progress:
            progress(self.facts)
        if self.facts.status is not Status.COMPLETED:
            raise _ended(self.facts)
        return self

    async def download(self, path: str | Path = ".", *, progress: Progress | None = None) -> Path:
        """Wait for the export and download its file to ``path``, complete and verified, or not at all.

        An interrupted download is resumed where it stopped, also by a later call in another process.

        Args:
            path: A file, or a folder for a file with the name that the service suggests.
            progress: Called with the bytes received and the size of the file, possibly from another thread.

        Returns:
            The path of the file.

        Raises:
            DamagedFile: the bytes do not have the checksum in the status.
            OSError: the file cannot be written.
            ExportError: as ``wait``.
        """
        await self.wait()
        target = await self._target(Path(path))
        for _ in range(CHANGES):
            transfer = Transfer(self._exchange, f"{self._path}/download", *_checksum_and_size(self.facts), progress)
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
        """Cancel an unfinished export; remove the file of a finished one."""
        await self._exchange.send(self._exchange.request("DELETE", self._path))
        return await self.refresh()

    async def retry(self) -> Self:
        """Request the same export again, after it failed, was cancelled or expired. Returns the new one."""
        accepted = await self._exchange.post(f"{self._path}/retry", ExportAccepted)
        return type(self)(self._exchange, await self._exchange.get(f"/exports/{accepted.job_id}", ExportOut))

    @property
    def _path(self) -> str:
        return f"/exports/{self.facts.job_id}"

    async def _poll(self, seconds: float) -> None:
        """Request the status; the service may delay the response for ``seconds`` until the export has ended."""
        started = time.monotonic()
        request = self._exchange.request("GET", self._path, headers={"Prefer": f"wait={max(1, int(seconds))}"})
        response = await self._exchange.send(request)
        self.facts = parsed(ExportOut, response)
        asked = retry_after(response.headers)
        pause = min(POLL_SECONDS if asked is None else asked, seconds) - (time.monotonic() - started)
        if self.facts.status in LIVE and pause > 0:  # the service did not delay the response
            await self._exchange.transport.sleep(pause)

    async def _target(self, path: Path) -> Path:
        if not path.is_dir():
            return path
        head = await self._exchange.send(self._exchange.request("HEAD", f"{self._path}/download"))
        return path / (suggested_name(head) or f"{self.facts.job_id}.{self.facts.format}")

    async def _loaded(self, load: Callable[[Path], T]) -> T:
        with TemporaryDirectory(prefix="analytics-exports-", ignore_cleanup_errors=True) as folder:
            file = await self.download(Path(folder, "rows"))
            return await self._exchange.transport.run_blocking(lambda: load(file))


def _checksum_and_size(facts: ExportOut) -> tuple[str, int]:
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
    return error_from_failure(facts.error)
