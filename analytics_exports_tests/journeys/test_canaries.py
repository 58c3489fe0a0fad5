"""What callers send stays out of logs, databases, Dagster and files: marked values are sent through every input, and
every place where the service writes is searched for them.

A filter that was accepted is kept, in the row of its export and nowhere else; its owner reads it there.
"""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Connection

from analytics_exports_tests.journeys.conftest import Service
from analytics_exports_tests.journeys.requests import dataset, finished

TABLES = """
SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
"""
FOUND = "SELECT count(*) FROM {table} AS row WHERE position(lower(:canary) IN lower(row::text)) > 0"
EXPORTS = "public.jobs"


def canary() -> str:
    """Something that stands nowhere else."""
    return f"canary{uuid4().hex}"


class Sent:
    """Canaries, by the input they were sent through."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def new(self, name: str) -> str:
        """A canary to send through this input."""
        return self.values.setdefault(name, canary())

    def short(self, name: str) -> str:
        """One for an input that takes few characters."""
        return self.values.setdefault(name, canary()[-12:])


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[httpx.Client]:
    with service.client(service.users[2]) as client:
        yield client


def ways_in(sent: Sent, client: httpx.Client) -> Iterator[httpx.Response]:
    """A request through every input that is refused or has no effect."""
    transactions = dataset(client, "fct_transactions")
    for field, value in {
        "columns": [sent.new("column")],
        "account_ids": [sent.new("account")],
        "tag_ids": [sent.new("tag")],
        "enum_filters": {"status": [sent.new("option")]},
        "numeric_filters": {sent.new("filter"): {"min": 1}},
        "start_date": sent.new("date"),
        "format": sent.new("format"),
        "csv": {"delimiter": sent.new("option of a format")},
        sent.new("field"): 1,
    }.items():
        body = {"dataset_id": transactions, field: value}
        yield client.post("/exports", json=body)
        yield client.post("/exports/estimate", json=body)
    yield client.post("/exports", content=sent.new("body"), headers={"Content-Type": "application/json"})
    yield client.post("/exports", json={"dataset_id": sent.new("dataset")})
    for parameter in ("columns", "cursor", "enum_filters", "account_ids", sent.new("parameter")):
        yield client.get(f"/datasets/{transactions}/query", params={parameter: sent.new(f"value of {parameter}")})
    for path in ("/", "/exports/", "/datasets/", "/downloads/", "/errors/"):
        yield client.get(path + sent.new(f"path below {path}"))
    for header in ("User-Agent", "Referer", "Cookie", "If-None-Match", "Prefer", "X-Forwarded-For", "X-Request-Id"):
        yield client.get("/exports", headers={header: sent.new(header)})
    yield client.get("/exports", params={"cursor": sent.new("cursor")})
    yield client.get("/me", headers={"Authorization": f"Bearer {sent.new('token')}"})
    yield client.request("PATCH", f"/{sent.new('unknown address')}")


def accepted(sent: Sent, client: httpx.Client) -> dict[str, Any]:
    """An export whose filter and key are canaries too, made to the end."""
    body = {
        "dataset_id": dataset(client, "fct_transactions"),
        "format": "csv",
        "csv": {"null": sent.short("kept option")},
        "start_date": "2024-03-01",
        "end_date": "2024-03-02",
    }
    with httpx.Client(
        base_url=client.base_url,
        headers={**client.headers, "Idempotency-Key": sent.new("idempotency key")},
    ) as named:
        return finished(named, body)


def written_by(service: Service) -> Iterator[tuple[Path, bytes]]:
    """Every file of the service: not those of PostgreSQL, whose contents its tables show, nor of the demonstration."""
    folder = service.stack.settings.state_dir
    for path in folder.rglob("*"):
        ignored = {"postgres", "demo", "exports"} & set(path.relative_to(folder).parts)
        if path.is_file() and not ignored:
            with contextlib.suppress(FileNotFoundError):  # a file that a process has just removed
                yield path, path.read_bytes().lower()


def tables(connection: Connection) -> list[str]:
    found: Sequence[Any] = connection.execute(text(TABLES)).scalars().all()
    return [str(name) for name in found]


def rows_with(service: Service, value: str) -> dict[str, int]:
    """How many rows of each table hold a value, in our database and in Dagster's, whichever schema they have."""
    engine = create_engine(service.stack.database_url)
    try:
        with engine.connect() as connection:
            counts: dict[str, int] = {
                table: connection.execute(text(FOUND.format(table=table)), {"canary": value}).scalar_one()
                for table in tables(connection)
            }
    finally:
        engine.dispose()
    return {table: count for table, count in counts.items() if count}


def test_what_is_sent_is_written_nowhere_that_it_does_not_belong(service: Service, client: httpx.Client) -> None:
    sent = Sent()
    answers = list(ways_in(sent, client))
    job = accepted(sent, client)
    secrets = dict(sent.values)
    kept = secrets.pop("kept option")
    secrets["bearer token"] = service.users[2].token
    link = client.post(f"/exports/{job['job_id']}/link").json()["url"]
    assert httpx.get(link if "://" in link else f"{service.stack.api_url}{link}").status_code == 200
    secrets["link"] = link.rpartition("/")[2]

    echoed = [
        (name, answer.status_code) for name, value in secrets.items() for answer in answers if value in answer.text
    ]
    assert not echoed
    assert all(answer.status_code < 500 for answer in answers)
    everywhere = list(written_by(service))
    assert {"api.log", "dagster-daemon.log"} <= {path.name for path, _ in everywhere}
    assert any(job["job_id"].encode() in content for path, content in everywhere if path.name == "api.log")
    for name, value in {**secrets, "kept option": kept}.items():
        assert [path.name for path, content in everywhere if value.lower().encode() in content] == [], name
    assert {name: found for name, value in secrets.items() if (found := rows_with(service, value))} == {}
    assert set(rows_with(service, kept)) == {EXPORTS}
