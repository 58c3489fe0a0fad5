"""Client and Export for ordinary programs: they run the coroutines of ``operations`` and ``exports`` to completion.

Every method has the name, arguments and errors of its coroutine.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, Unpack
from uuid import UUID

import httpx

from analytics_exports.client.exchange import Exchange
from analytics_exports.client.exports import AsyncExport
from analytics_exports.client.operations import TIMEOUT_SECONDS, Operations
from analytics_exports.client.options import ExportOptions, ListOptions, SelectionOptions
from analytics_exports.client.retrying import Retries
from analytics_exports.client.transfer import Progress
from analytics_exports.client.transport import BlockingTransport, iterate, run
from analytics_exports.contract.responses import (
    DatasetOut,
    DatasetSchemaOut,
    EstimateOut,
    ExportOut,
    PageOut,
    StatusOut,
)

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


class Export:
    """An export, as the service last described it in ``facts``."""

    def __init__(self, inner: AsyncExport) -> None:
        """Called by Client."""
        self._inner = inner

    def __repr__(self) -> str:
        """The export and its status."""
        return f"<Export {self.facts.job_id} {self.facts.dataset_name} {self.facts.status}>"

    @property
    def facts(self) -> ExportOut:
        """The last response of the service."""
        return self._inner.facts

    def refresh(self) -> Self:
        """Request the current status."""
        run(self._inner.refresh())
        return self

    def wait(self, *, timeout: float | None = None, progress: Callable[[ExportOut], None] | None = None) -> Self:
        """Wait until there is a file; raises when the export ends without one. See AsyncExport.wait."""
        run(self._inner.wait(timeout=timeout, progress=progress))
        return self

    def download(self, path: str | Path = ".", *, progress: Progress | None = None) -> Path:
        """Wait, then download the file to ``path``, complete and verified, or not at all. See AsyncExport.download."""
        return run(self._inner.download(path, progress=progress))

    def to_polars(self) -> "pl.DataFrame":
        """Wait, then load the file with Polars."""
        return run(self._inner.to_polars())

    def to_pandas(self) -> "pd.DataFrame":
        """Wait, then load the file with pandas; columns keep their Arrow types, so that no value changes."""
        return run(self._inner.to_pandas())

    def to_arrow(self) -> "pa.Table":
        """Wait, then load the file as an Arrow table."""
        return run(self._inner.to_arrow())

    def cancel(self) -> Self:
        """Cancel an unfinished export; remove the file of a finished one."""
        run(self._inner.cancel())
        return self

    def retry(self) -> "Export":
        """Request the same export again, after it failed, was cancelled or expired. Returns the new one."""
        return Export(run(self._inner.retry()))


class Client:
    """The service: ``with Client(url, token) as client``."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        retries: Retries | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Prepare the client; nothing is sent yet.

        Args:
            base_url: URL of the service, such as ``https://exports.example.com``.
            token: API token or JWT. It appears in no representation and no log.
            timeout: Seconds to connect, and between two pieces of a response.
            retries: When to retry while the service is busy or does not respond.
            transport: An httpx transport for certificates, proxies or tests.

        Raises:
            ValueError: ``base_url`` is not an http or https URL.
            InvalidToken: ``token`` cannot be a token.
        """
        exchange = Exchange(base_url, token, BlockingTransport(timeout, transport), retries or Retries())
        self._exchange, self._inner = exchange, Operations(exchange)

    def __repr__(self) -> str:
        """The URL of the service."""
        return f"Client({self._exchange.url!r})"

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        run(self._exchange.transport.close())

    def datasets(self) -> list[DatasetOut]:
        """The datasets on offer."""
        return run(self._inner.datasets())

    def dataset(self, dataset: str | UUID) -> DatasetSchemaOut:
        """One dataset with its columns, by name or id. Raises DatasetNotFound."""
        return run(self._inner.dataset(dataset))

    def status(self) -> StatusOut:
        """The state of each part of the service."""
        return run(self._inner.status())

    def preview(self, dataset: str | UUID, *, limit: int = 20, **selection: Unpack[SelectionOptions]) -> PageOut:
        """The first rows that an export would hold, as JSON values."""
        return run(self._inner.preview(dataset, limit=limit, **selection))

    def estimate(self, dataset: str | UUID, **options: Unpack[ExportOptions]) -> EstimateOut:
        """Estimate the size of an export."""
        return run(self._inner.estimate(dataset, **options))

    def export(self, dataset: str | UUID, **options: Unpack[ExportOptions]) -> Export:
        """Request an export by name or id of the dataset; options are those of ExportOptions."""
        return Export(run(self._inner.export(dataset, **options)))

    def exports(self, *, limit: int | None = None, **which: Unpack[ListOptions]) -> Iterator[Export]:
        """Your exports, newest first, fetched page by page during iteration."""
        return map(Export, iterate(self._inner.exports(limit=limit, **which)))

    def get(self, job_id: str | UUID) -> Export:
        """An export by its id. Raises ExportNotFound."""
        return Export(run(self._inner.get(job_id)))
