"""Waiting for an export: the file, its rows as data frames, or the reason why there is none."""

import asyncio
import io
import sys
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid4

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analytics_exports.client import AsyncClient, Client
from analytics_exports.client.errors import LibraryMissing, NoTypes, StillRunning, UnexpectedAnswer
from analytics_exports.client.operations import Operations
from analytics_exports.client.transport import run
from analytics_exports.domain.dataset import dataset_id
from analytics_exports.domain.errors import (
    ExportExpired,
    ExportUnavailable,
    InvalidRequest,
    OutOfMemory,
    ProductionFailed,
)
from analytics_exports.domain.export import Status
from analytics_exports_tests.fakes.service import DATASET, TOKEN, URL, FakeService, connected, noting

TABLE = pa.table(
    {
        "day": pa.array([date(2024, 1, 1), None], pa.date32()),
        "amount": pa.array([Decimal("1.50"), Decimal("-2.25")], pa.decimal128(18, 2)),
        "count": pa.array([None, 2**60 + 1], pa.int64()),
        "name": pa.array(["ä", ""], pa.large_string()),
        "tags": pa.array([["a"], None], pa.large_list(pa.large_string())),
    }
)


def parquet() -> bytes:
    output = io.BytesIO()
    pq.write_table(TABLE, output)
    return output.getvalue()


def arrow() -> bytes:
    output = io.BytesIO()
    with pa.ipc.new_file(output, TABLE.schema) as writer:
        writer.write_table(TABLE)
    return output.getvalue()


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture(params=["blocking", "asynchronous"])
def client(request: pytest.FixtureRequest, service: FakeService) -> Client:
    return connected(request.param, service)


def test_waiting_ends_with_the_export(client: Client, service: FakeService) -> None:
    service.status = "pending"
    service.then("pending", "pending", "running", "running", "completed")
    seen: list[Status] = []
    export = client.export(DATASET).wait(progress=lambda facts: seen.append(facts.status))

    assert export.facts.row_count == 3
    assert seen == ["pending", "running", "running", "completed"]


def test_waiting_for_what_has_ended_asks_nothing(client: Client, service: FakeService) -> None:
    export = client.get(service.job_id)
    service.requests.clear()

    assert export.wait().facts.status is Status.COMPLETED
    assert service.requests == []


def test_the_service_is_asked_to_hold_its_answer_back(service: FakeService) -> None:
    service.status = "running"
    service.then("running", "completed")
    connected("blocking", service).get(service.job_id).wait()

    assert [request.headers.get("Prefer") for request in service.requests] == [None, "wait=10"]


def test_a_service_that_answers_at_once_is_not_hurried(service: FakeService) -> None:
    service.status, service.retry_after = "running", "2"
    service.then("running", "running", "running", "completed")
    exchange, pauses = noting(service)
    export = run(Operations(exchange).get(service.job_id))
    run(export.wait())

    assert len(pauses) == 2
    assert all(1.5 < seconds <= 2 for seconds in pauses)


def test_waiting_may_be_limited(client: Client, service: FakeService) -> None:
    service.status = "running"
    with pytest.raises(StillRunning):
        client.get(service.job_id).wait(timeout=0)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        ("failed", {"code": "out_of_memory", "message": "Too much.", "retryable": False}, OutOfMemory),
        ("failed", {"code": "of_tomorrow", "message": "Too much.", "retryable": False}, ProductionFailed),
        ("failed", {"code": "invalid_request", "message": "Too much.", "retryable": False}, ProductionFailed),
        ("failed", None, ProductionFailed),
        ("cancelled", None, ExportUnavailable),
        ("expired", None, ExportExpired),
    ],
)
def test_an_export_without_a_file_says_why(
    client: Client, service: FakeService, status: str, error: dict[str, object] | None, kind: type
) -> None:
    service.status, service.error = status, error
    with pytest.raises(kind) as caught:
        client.get(service.job_id).wait()

    assert type(caught.value) is kind
    assert error is None or str(caught.value) == "Too much."


def test_cancelling_shows_at_once(client: Client, service: FakeService) -> None:
    service.status = "running"

    assert client.get(service.job_id).cancel().facts.status is Status.CANCELLED


def test_a_retry_is_an_export_of_its_own(client: Client, service: FakeService) -> None:
    service.status = "failed"
    export = client.get(service.job_id)
    service.then("completed")
    again = export.retry()

    assert again is not export
    assert again.facts.status is Status.COMPLETED
    assert len(service.asked("POST", "/retry")) == 1


@pytest.mark.parametrize("format", ["parquet", "arrow"])
def test_rows_come_with_their_types(client: Client, service: FakeService, format: str) -> None:
    service.format, service.content = format, parquet() if format == "parquet" else arrow()
    export = client.get(service.job_id)

    assert export.to_arrow().cast(TABLE.schema) == TABLE
    assert export.to_polars().equals(pl.DataFrame(TABLE))
    frame = export.to_pandas()
    assert frame["count"][1] == 2**60 + 1
    assert frame["amount"].tolist() == [Decimal("1.50"), Decimal("-2.25")]
    assert pa.Table.from_pandas(frame, preserve_index=False).schema.types == TABLE.schema.types


@pytest.mark.parametrize("format", ["csv", "ndjson", "xlsx"])
def test_formats_without_types_are_not_guessed(client: Client, service: FakeService, format: str) -> None:
    service.format = format
    export = client.get(service.job_id)
    for load in (export.to_polars, export.to_pandas, export.to_arrow):
        with pytest.raises(NoTypes):
            load()

    assert service.asked("GET", "/download") == []


def test_a_file_in_parts_is_not_loaded(client: Client, service: FakeService) -> None:
    service.options = {"split": {"rows": 10}}

    with pytest.raises(NoTypes, match="zip"):
        client.get(service.job_id).to_polars()


@pytest.mark.parametrize("library", ["polars", "pandas", "pyarrow"])
def test_a_missing_library_is_named_before_anything_is_fetched(
    service: FakeService, monkeypatch: pytest.MonkeyPatch, library: str
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    export = connected("blocking", service).get(service.job_id)
    load = {"polars": export.to_polars, "pandas": export.to_pandas, "pyarrow": export.to_arrow}[library]
    with pytest.raises(LibraryMissing, match=rf"pip install 'analytics-exports\[{library}\]'"):
        load()

    assert service.asked("GET", "/download") == []


def test_a_completed_export_without_facts_is_not_of_this_service(service: FakeService, tmp_path: Path) -> None:
    export = connected("blocking", service).get(service.job_id)
    export.facts.sha256 = None

    with pytest.raises(UnexpectedAnswer):
        export.download(tmp_path / "a")


@pytest.mark.parametrize(("limit", "pages"), [(None, 3), (0, 0), (1, 1), (2, 1), (3, 2), (9, 3)])
def test_the_history_is_read_page_by_page(service: FakeService, limit: int | None, pages: int) -> None:
    service.history = [uuid4() for _ in range(5)]
    with connected("blocking", service) as client:
        found = [export.facts.job_id for export in client.exports(limit=limit)]

    assert found == service.history[:limit]
    assert len(service.asked("GET", "/exports")) == pages
    assert {request.url.host for request in service.requests} <= {"service.test"}


def test_no_page_is_read_before_it_is_needed(service: FakeService) -> None:
    service.history = [uuid4() for _ in range(5)]
    found = connected("blocking", service).exports()
    assert service.requests == []

    next(found)
    assert len(service.requests) == 1


def test_the_history_can_be_read_asynchronously(service: FakeService) -> None:
    service.history = [uuid4() for _ in range(5)]

    async def read() -> list[UUID]:
        async with AsyncClient(URL, TOKEN, transport=service.transport) as client:
            return [export.facts.job_id async for export in client.exports()]

    assert asyncio.run(read()) == service.history


def test_only_what_is_asked_for_is_listed(service: FakeService) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    list(connected("blocking", service).exports(status="failed", dataset=DATASET, created_after=moment, format=None))

    (request,) = service.requests
    assert dict(request.url.params) == {
        "status": "failed",
        "dataset_id": str(dataset_id(DATASET)),
        "created_after": "2026-01-01T00:00:00Z",
    }


def test_a_wrong_filter_is_named(service: FakeService) -> None:
    with pytest.raises(InvalidRequest) as caught:
        list(connected("blocking", service).exports(status="lost"))

    assert [field.pointer for field in caught.value.problems] == ["/status/0"]


def test_an_export_says_which_it_is(service: FakeService) -> None:
    export = connected("blocking", service).get(service.job_id)

    assert repr(export) == f"<Export {service.job_id} {DATASET} completed>"
