"""AsyncClient: the operations of the service as coroutines.

``blocking`` runs the same coroutines for ordinary programs. Requests, retries and errors belong to ``exchange``.
"""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self, Unpack
from uuid import UUID

import httpx

from analytics_exports.client.exchange import Exchange, parsed
from analytics_exports.client.exports import AsyncExport
from analytics_exports.client.options import (
    ExportOptions,
    ListOptions,
    SelectionOptions,
    create_body,
    dataset_id_of,
    filter_params,
    preview_params,
)
from analytics_exports.client.retrying import Retries
from analytics_exports.client.transport import AsyncTransport
from analytics_exports.contract.lists import ExportList
from analytics_exports.contract.responses import (
    DatasetList,
    DatasetOut,
    DatasetSchemaOut,
    EstimateOut,
    ExportAccepted,
    ExportOut,
    PageOut,
    StatusOut,
)
from analytics_exports.domain.errors import ExportNotFound

TIMEOUT_SECONDS = 30.0


class Operations:
    """The operations, over any Exchange."""

    def __init__(self, exchange: Exchange) -> None:
        """Send requests through ``exchange``."""
        self._exchange = exchange

    async def datasets(self) -> list[DatasetOut]:
        """The datasets on offer."""
        return (await self._exchange.get("/datasets", DatasetList)).datasets

    async def dataset(self, dataset: str | UUID) -> DatasetSchemaOut:
        """One dataset with its columns, by name or id. Raises DatasetNotFound."""
        return await self._exchange.get(f"/datasets/{dataset_id_of(dataset)}/schema", DatasetSchemaOut)

    async def status(self) -> StatusOut:
        """The state of each part of the service."""
        return await self._exchange.get("/status", StatusOut)

    async def preview(self, dataset: str | UUID, *, limit: int = 20, **selection: Unpack[SelectionOptions]) -> PageOut:
        """The first rows that an export would contain, as JSON values. Raises as ``export``."""
        params = preview_params(selection, limit)
        return await self._exchange.get(f"/datasets/{dataset_id_of(dataset)}/preview", PageOut, params)

    async def estimate(self, dataset: str | UUID, **options: Unpack[ExportOptions]) -> EstimateOut:
        """Estimate the size of an export. Raises as ``export``."""
        return await self._exchange.post("/exports/estimate", EstimateOut, create_body(dataset, options))

    async def export(self, dataset: str | UUID, **options: Unpack[ExportOptions]) -> AsyncExport:
        """Request an export; it is made in the background.

        Args:
            dataset: Name or id.
            options: Filters, columns and format (see ExportOptions).

        Raises:
            InvalidRequest: an option is invalid or does not apply to the dataset; ``problems`` names each.
            DatasetNotFound: there is no such dataset.
        """
        accepted = await self._exchange.post("/exports", ExportAccepted, create_body(dataset, options))
        return await self.get(accepted.job_id)

    async def get(self, job_id: str | UUID) -> AsyncExport:
        """An export by its id. Raises ExportNotFound for every id that is not one of the caller's exports."""
        try:
            known = UUID(str(job_id))
        except ValueError:
            raise ExportNotFound from None
        return AsyncExport(self._exchange, await self._exchange.get(f"/exports/{known}", ExportOut))

    async def exports(self, *, limit: int | None = None, **which: Unpack[ListOptions]) -> AsyncIterator[AsyncExport]:
        """The caller's exports, newest first, fetched page by page during iteration.

        Args:
            limit: Maximum number; all by default.
            which: Filter (see ExportFilter).
        """
        request: httpx.Request | None = self._exchange.request("GET", "/exports", params=filter_params(which, limit))
        seen = 0
        while request is not None and seen != limit:
            response = await self._exchange.send(request)
            for facts in parsed(ExportList, response).exports[: None if limit is None else limit - seen]:
                seen += 1
                yield AsyncExport(self._exchange, facts)
            request = self._exchange.next_page(response, "/exports")


class AsyncClient(Operations):
    """The service, for asyncio and trio: ``async with AsyncClient(url, token) as client``."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        timeout: float = TIMEOUT_SECONDS,
        retries: Retries | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """The arguments are those of ``Client``."""
        super().__init__(Exchange(base_url, token, AsyncTransport(timeout, transport), retries or Retries()))

    def __repr__(self) -> str:
        """The URL of the service."""
        return f"AsyncClient({self._exchange.url!r})"

    async def __aenter__(self) -> Self:
        """Return the client."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._exchange.transport.close()
