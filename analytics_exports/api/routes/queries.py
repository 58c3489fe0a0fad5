"""Rows at once: pages of a dataset as JSON, and how large an export would be."""

from typing import Annotated
from uuid import UUID

import orjson
from fastapi import APIRouter, Query, Response

from analytics_exports.api.deps import DatasetReader, Services
from analytics_exports.contract.requests import ExportCreate, PageQuery
from analytics_exports.contract.responses import ColumnOut, EstimateOut, PageOut
from analytics_exports.domain.dataset import DatasetId
from analytics_exports.ports import Page

router = APIRouter()


@router.get("/datasets/{dataset_id}/query", tags=["datasets"], response_model=PageOut)
def query_dataset(
    dataset_id: UUID, query: Annotated[PageQuery, Query()], services: Services, caller: DatasetReader
) -> Response:
    """One page of your rows: the same filters, rows and order as an export. Follow next_cursor for the rest."""
    page = services.querying.page(
        caller,
        DatasetId(dataset_id),
        query.selection(),
        limit=query.limit,
        offset=query.offset,
        after=query.cursor,
    )
    return Response(_rendered(page), media_type="application/json", headers={"Cache-Control": "private, no-store"})


@router.post("/exports/estimate", tags=["exports"])
def estimate_export(body: ExportCreate, services: Services, caller: DatasetReader) -> EstimateOut:
    """How many rows an export would have, and about how many bytes; nothing is stored."""
    estimate = services.querying.estimate(caller, DatasetId(body.dataset_id), body.selection())
    return EstimateOut(row_count=estimate.row_count, file_size_bytes=estimate.text_bytes)


def _rendered(page: Page) -> bytes:
    """The body of PageOut. The rows are JSON already and are not parsed again."""
    facts = orjson.dumps(
        {
            "columns": [ColumnOut.of(column).model_dump() for column in page.columns],
            "next_cursor": page.next,
            "data_as_of": page.data_as_of,
        }
    )
    return facts[:-1] + b',"rows":[' + ",".join(page.rows).encode() + b"]}"
