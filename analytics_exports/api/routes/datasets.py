"""Datasets: what can be exported, in which formats, and pages of its rows."""

from functools import partial
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import Query, Request, Response

from analytics_exports.api.deps import ApiStateDep, CallerDep, ServicesDep
from analytics_exports.api.headers import next_link
from analytics_exports.contract.lists import FormatList, FormatOut
from analytics_exports.contract.requests import PageQuery, PreviewQuery
from analytics_exports.contract.responses import ColumnOut, DatasetList, DatasetOut, DatasetSchemaOut
from analytics_exports.domain.dataset import DatasetId
from analytics_exports.domain.formats import FORMATS
from analytics_exports.ports import Page


def list_datasets(services: ServicesDep) -> DatasetList:
    """All datasets on offer, by group and name."""
    return DatasetList(datasets=[DatasetOut.of(dataset) for dataset in services.datasets.list()])


def get_schema(dataset_id: UUID, services: ServicesDep) -> DatasetSchemaOut:
    """One dataset with its columns."""
    return DatasetSchemaOut.of(services.datasets.get(DatasetId(dataset_id)))


def list_formats(services: ServicesDep) -> FormatList:
    """All file formats, and the options that each has."""
    described = services.describe_options()
    formats = [
        FormatOut(format=known, hint=facts.hint, media_type=facts.media_type, options=dict(described[known]))
        for known, facts in FORMATS.items()
    ]
    return FormatList(formats=formats)


async def query_dataset(
    dataset_id: UUID, query: Annotated[PageQuery, Query()], request: Request, state: ApiStateDep, caller: CallerDep
) -> Response:
    """One page of your rows: the same filters, rows and order as an export. Follow next_cursor for the rest."""
    ask = partial(state.services.row_queries.page, caller, DatasetId(dataset_id), query.selection(), limit=query.limit)
    page = await state.run_query(partial(ask, offset=query.offset, cursor=query.cursor))
    return _rendered(page, next_link(request, page.next))


async def preview_dataset(
    dataset_id: UUID, query: Annotated[PreviewQuery, Query()], state: ApiStateDep, caller: CallerDep
) -> Response:
    """The first of your rows, to see what an export would hold."""
    ask = partial(state.services.row_queries.page, caller, DatasetId(dataset_id), query.selection(), limit=query.limit)
    return _rendered(await state.run_query(ask), {})


def _rendered(page: Page, headers: dict[str, str]) -> Response:
    """The body of PageOut. The rows are JSON already and are not parsed again."""
    facts: dict[str, Any] = {
        "columns": [ColumnOut.of(column).model_dump() for column in page.columns],
        "next_cursor": page.next,
        "data_as_of": page.data_as_of,
    }
    body = orjson.dumps(facts)[:-1] + b',"rows":[' + ",".join(page.rows).encode() + b"]}"
    return Response(body, media_type="application/json", headers=headers)
