"""One export, from the request to the last byte, through every real process."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import duckdb
import httpx
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from analytics_exports_tests.journeys.conftest import Service
from analytics_exports_tests.journeys.requests import dataset, downloaded, ended, finished
from analytics_exports_tests.journeys.stack_driver import StackDriver

YEAR = {"start_date": "2024-01-01", "end_date": "2024-12-31"}


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    with service.client(service.users[1]) as client:
        yield client


def warehouse_rows(service: Service, owner: UUID) -> list[dict[str, Any]]:
    """The same rows by another way: the file read by DuckDB with a query written by hand."""
    query = "SELECT * FROM fct_transactions WHERE user_id = $owner AND year(booking_date) = 2024"
    with duckdb.connect(str(service.stack.settings.warehouse), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        table: pa.Table = connection.sql(query, params={"owner": owner}).to_arrow_table()
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows


def test_every_row_of_a_csv_file_is_the_owners_and_none_is_missing(service: Service, client: httpx.Client) -> None:
    job = finished(client, {"dataset_id": dataset(client, "fct_transactions"), "format": "csv", **YEAR})
    text = downloaded(client, job).decode("utf-8")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))

    expected = {str(row["transaction_id"]): row for row in warehouse_rows(service, service.users[1].id)}
    assert job["status"] == "completed"
    assert len(rows) == job["row_count"] == len(expected) > 1000
    for row in rows:
        original = expected.pop(row["transaction_id"])
        assert row["user_id"] == str(service.users[1].id)
        assert row["booking_date"] == original["booking_date"].isoformat()
        assert row["amount"] == str(original["amount"])
        assert row["description"].removeprefix("'") == (original["description"] or "").removeprefix("'")
        assert json.loads(row["tag_ids"] or "null") == plain(original["tag_ids"])
    assert expected == {}


def test_every_row_of_a_parquet_file_is_the_owners_and_none_is_missing(service: Service, client: httpx.Client) -> None:
    job = finished(client, {"dataset_id": dataset(client, "fct_transactions"), "format": "parquet", **YEAR})
    rows = pq.read_table(io.BytesIO(downloaded(client, job))).to_pylist()

    expected = {str(row["transaction_id"]): plain(row) for row in warehouse_rows(service, service.users[1].id)}
    assert len(rows) == job["row_count"] == len(expected)
    assert {str(row["transaction_id"]): plain(row) for row in rows} == expected


def test_one_id_leads_from_the_request_to_the_run_and_the_file(
    service: Service, client: httpx.Client, driver: StackDriver
) -> None:
    driver.quiet()
    accepted = client.post("/exports", json={"dataset_id": dataset(client, "dim_accounts"), "format": "parquet"})
    asked = accepted.headers["X-Request-Id"]
    written = pq.read_metadata(io.BytesIO(downloaded(client, ended(client, accepted)))).metadata or {}

    assert written[b"export.request_id"] == asked.encode()
    with psycopg.connect(service.stack.database_url) as connection:
        tagged = "SELECT count(*) FROM dagster.run_tags WHERE key = %s AND value = %s"
        assert connection.execute(tagged, ("analytics_exports/request_id", asked)).fetchone() == (1,)


def test_the_status_has_the_names_of_the_contract(client: httpx.Client) -> None:
    job = finished(client, {"dataset_id": dataset(client, "dim_accounts"), "format": "csv"})

    promised = {
        *("job_id", "status", "dataset_id", "dataset_name", "format", "row_count", "file_size_bytes"),
        *("download_url", "expires_at", "created_at", "completed_at"),
    }
    assert promised <= set(job)
    assert job["download_url"] == f"/api/analytics/exports/{job['job_id']}/download"


def test_somebody_elses_export_is_as_unknown_as_one_that_never_was(service: Service, client: httpx.Client) -> None:
    job = finished(client, {"dataset_id": dataset(client, "dim_accounts"), "format": "csv"})
    with service.client(service.users[0]) as stranger:
        for path in ("", "/download"):
            foreign = stranger.get(f"/exports/{job['job_id']}{path}")
            unknown = stranger.get(f"/exports/{uuid4()}{path}")
            assert foreign.status_code == unknown.status_code == 404
            assert without_id(foreign) == without_id(unknown)


def test_nobody_gets_anything_without_a_token(service: Service) -> None:
    with service.client() as nobody:
        for response in (nobody.get("/datasets"), nobody.post("/exports", json={}), nobody.get(f"/exports/{uuid4()}")):
            assert response.status_code == 401
            assert response.headers["WWW-Authenticate"].startswith("Bearer")


def plain(value: Any) -> Any:
    """Values of two engines as one: UUIDs as text."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, UUID) else value


def without_id(response: httpx.Response) -> dict[str, Any]:
    return {name: value for name, value in response.json().items() if name != "request_id"}
