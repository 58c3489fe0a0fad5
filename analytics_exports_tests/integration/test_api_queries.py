"""Query pages and estimates over HTTP: the real catalogue and warehouse behind the real application."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from starlette.testclient import TestClient

from analytics_exports.api.app import create_app
from analytics_exports.bootstrap.api import api_adapters, api_services
from analytics_exports.contract import BASE_PATH
from analytics_exports.domain.dataset import dataset_id
from analytics_exports.settings import Settings
from analytics_exports_tests import factories
from analytics_exports_tests.demo_warehouse import built_demo
from analytics_exports_tests.fakes.artifacts import FakeArtifactStore
from analytics_exports_tests.fakes.directory import FakeDirectory
from analytics_exports_tests.fakes.jobs import FakeJobStore
from analytics_exports_tests.fakes.orchestrator import FakeOrchestrator
from demo import generate

OWNER = generate.USERS[3].id
TRANSACTIONS = f"/datasets/{dataset_id('fct_transactions')}/query"
ESTIMATE = "/exports/estimate"


@pytest.fixture(scope="module")
def orchestrator() -> FakeOrchestrator:
    return FakeOrchestrator()


@pytest.fixture(scope="module")
def jobs() -> FakeJobStore:
    return FakeJobStore()


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, orchestrator: FakeOrchestrator, jobs: FakeJobStore) -> TestClient:
    demo = built_demo()
    directory = FakeDirectory()
    caller = factories.principal(OWNER)
    directory.tokens["token"] = caller
    directory.accounts[caller.user_id] = {str(row["id"]) for row in generate.accounts() if row["user_id"] == OWNER}
    settings = Settings(
        state_dir=tmp_path_factory.mktemp("state"),
        warehouse=demo.warehouse,
        dbt_manifest=demo.manifest,
        database_url=factories.NO_DATABASE,
    )
    adapters = replace(
        api_adapters(settings),
        directory=directory,
        jobs=jobs,
        artifacts=FakeArtifactStore(),
        orchestrator=orchestrator,
    )
    headers = {"Authorization": "Bearer token"}
    return TestClient(create_app(api_services(settings, adapters)), f"http://localhost{BASE_PATH}", headers=headers)


def test_run_workers_that_cannot_work_are_reported_to_operators(
    api: TestClient, orchestrator: FakeOrchestrator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def looks() -> tuple[dict[str, Any], int, bool]:
        ready = api.get("/readyz")
        return (
            api.get("/status").json()["parts"]["run_workers"],
            ready.status_code,
            ready.json()["parts"]["run_workers"],
        )

    well = looks()
    monkeypatch.setattr(orchestrator, "workers_problem", "They cannot.")

    assert well == ({"ok": True, "detail": None}, 200, True)
    assert looks() == ({"ok": False, "detail": "They cannot."}, 503, False)


def test_events_that_could_not_be_applied_are_reported_to_operators(api: TestClient, jobs: FakeJobStore) -> None:
    def part() -> dict[str, Any]:
        part: dict[str, Any] = api.get("/status").json()["parts"]["read_back"]
        return part

    assert part() == {"ok": True, "detail": None}
    jobs.skip_event(7, "Damaged")
    assert not part()["ok"]
    assert part()["detail"].startswith("1 events")
    jobs.unskip_event(7)
    assert part()["ok"]


def rows(response: httpx.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["rows"]
    return found


def test_pages_by_cursor_and_by_offset_are_the_same_rows(api: TestClient) -> None:
    whole = rows(api.get(TRANSACTIONS, params={"limit": 10_000}))
    by_cursor, page = [], api.get(TRANSACTIONS, params={"limit": 77})
    while True:
        by_cursor += rows(page)
        if (cursor := page.json()["next_cursor"]) is None:
            break
        page = api.get(TRANSACTIONS, params={"limit": 77, "cursor": cursor})
    by_offset = [row for start in range(0, 600, 100) for row in page_at(api, start)]

    assert by_cursor == by_offset == whole
    assert len(whole) == generate.USERS[3].transactions
    assert {row["user_id"] for row in whole} == {str(OWNER)}


def page_at(api: TestClient, start: int) -> list[dict[str, Any]]:
    return rows(api.get(TRANSACTIONS, params={"limit": 100, "offset": start}))


def test_filters_restrict_and_columns_keep_their_order(api: TestClient) -> None:
    found = rows(
        api.get(
            TRANSACTIONS,
            params={
                "start_date": "2024-01-01",
                "end_date": "2024-12-31",
                "columns": ["status", "booking_date", "amount"],
                "enum_filters": json.dumps({"status": ["booked"]}),
                "numeric_filters": json.dumps({"amount": {"max": "-0.01"}}),
            },
        )
    )

    assert found
    assert {tuple(row) for row in found} == {("status", "booking_date", "amount")}
    assert {row["status"] for row in found} == {"booked"}
    assert all(row["booking_date"].startswith("2024") and row["amount"].startswith("-") for row in found)


def test_an_estimate_counts_the_rows_of_the_export(api: TestClient) -> None:
    body = {"dataset_id": str(dataset_id("fct_transactions")), "format": "csv", "start_date": "2024-01-01"}
    estimate = api.post(ESTIMATE, json=body)

    assert estimate.status_code == 200
    assert estimate.json()["row_count"] == len(
        rows(api.get(TRANSACTIONS, params={"start_date": "2024-01-01", "limit": 10_000}))
    )
    assert estimate.json()["file_size_bytes"] > 0


@pytest.mark.parametrize(
    ("params", "pointer"),
    [
        ({"limit": "0"}, "/limit"),
        ({"limit": "10001"}, "/limit"),
        ({"offset": "-1"}, "/offset"),
        ({"cursor": "bm90IGEgY3Vyc29y"}, "/cursor"),
        ({"user_id": str(uuid4())}, "/user_id"),
        ({"start_date": "2024-02-30"}, "/start_date"),
        ({"start_date": "2024-02-02", "end_date": "2024-02-01"}, "/end_date"),
        ({"columns": "no_such_column"}, "/columns/0"),
        ({"columns": "amount\0"}, "/columns/0"),
        ({"account_ids": str(uuid4())}, "/account_ids/0"),
        ({"enum_filters": '{"status": ["no such option"]}'}, "/enum_filters/status"),
        ({"enum_filters": '{"amount": ["1"]}'}, "/enum_filters"),
        ({"enum_filters": "{"}, "/enum_filters"),
        ({"numeric_filters": '{"amount": {"min": "NaN"}}'}, "/numeric_filters/amount/min"),
        ({"numeric_filters": '{"amount": {}}'}, "/numeric_filters/amount"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_ignored(api: TestClient, params: dict[str, str], pointer: str) -> None:
    response = api.get(TRANSACTIONS, params=params)

    assert response.status_code == 422
    assert [problem["pointer"] for problem in response.json()["errors"]] == [pointer]


@pytest.mark.parametrize(
    "body",
    [
        b'{"dataset_id": "efd80499-4f32-542d-87f2-d085732e39bd", "numeric_filters": {"amount": {"min": 1e999}}}',
        b'{"dataset_id": "efd80499-4f32-542d-87f2-d085732e39bd", "columns": ["\\ud800"]}',
        b'{"dataset_id": "efd80499-4f32-542d-87f2-d085732e39bd", "columns": ["\\u0000"]}',
        b'{"dataset_id": "efd80499-4f32-542d-87f2-d085732e39bd", "\\ud800": 1}',
        b'{"dataset_id": "efd80499-4f32-542d-87f2-d085732e39bd", "start_date": 20240101}',
        b'{"dataset_id": 7}',
        b"[]",
    ],
)
def test_hostile_json_is_refused_and_never_an_error_of_ours(api: TestClient, body: bytes) -> None:
    response = api.post(ESTIMATE, content=body, headers={"Content-Type": "application/json"})

    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.json()["code"] == "invalid_request"


@pytest.mark.parametrize("body", [b"{", b'{"numeric_filters": {"amount": {"min": NaN}}}'])
def test_what_is_not_json_is_refused(api: TestClient, body: bytes) -> None:
    response = api.post(ESTIMATE, content=body, headers={"Content-Type": "application/json"})

    assert response.status_code == 400
    assert response.json()["code"] == "malformed_body"


def test_a_missing_warehouse_is_not_now(tmp_path: Path) -> None:
    demo = built_demo()
    directory = FakeDirectory()
    directory.tokens["token"] = factories.principal(OWNER)
    settings = Settings(
        state_dir=tmp_path,
        warehouse=tmp_path / "missing.duckdb",
        dbt_manifest=demo.manifest,
        database_url=factories.NO_DATABASE,
    )
    services = api_services(settings, replace(api_adapters(settings), directory=directory))
    api = TestClient(create_app(services), f"http://localhost{BASE_PATH}", headers={"Authorization": "Bearer token"})
    response = api.get(TRANSACTIONS)

    assert (response.status_code, response.json()["code"]) == (503, "warehouse_unavailable")
    assert "Retry-After" in response.headers
