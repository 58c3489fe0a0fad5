"""Exports whose run is stopped, whose processes are killed, and that operators start from Dagster: one real stack.

A writer that holds the warehouse is the gate: a run that has begun waits for it, as it does for dbt.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import psutil
import pytest
from sqlalchemy import Engine, text

from analytics_exports.database.engine import make_engine
from analytics_exports.stack.processes import ManagedProcess
from analytics_exports_tests.journeys.conftest import Service
from analytics_exports_tests.journeys.test_export import dataset, downloaded
from analytics_exports_tests.ports.test_warehouse import writing
from analytics_exports_tests.run_workers import gone, until

pytestmark = pytest.mark.timeout(240)

SELECTOR = {"repositoryLocationName": "analytics_exports", "repositoryName": "__repository__"}
TERMINATE = "mutation($run: String!) { terminateRun(runId: $run) { __typename } }"
RETRY = """
mutation($run: String!) {
  launchRunReexecution(reexecutionParams: {parentRunId: $run, strategy: ALL_STEPS}) {
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
LAUNCH = """
mutation($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    ... on LaunchRunSuccess { run { runId } }
    ... on PythonError { message }
  }
}
"""
BACKFILL = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    ... on LaunchBackfillSuccess { backfillId }
    ... on PythonError { message }
  }
}
"""
BUSY_DRAINS = """
    SELECT count(*) FROM dagster.runs
    WHERE pipeline_name = 'drain_exports' AND status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')
"""
LISTENERS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'listens to exports_pending'"
OF_BACKFILL = "SELECT array_agg(run_id) FROM dagster.run_tags WHERE key = 'dagster/backfill' AND value = :backfill"


class Desk:
    """A user who asks for exports, and an operator with Dagster's web page and a look behind it."""

    def __init__(self, service: Service, client: httpx.Client, engine: Engine) -> None:
        self.stack, self.client, self._engine = service.stack, client, engine

    def ask(self) -> str:
        """Ask for an export that gets a run of its own."""
        until(lambda: self.scalar(LISTENERS) > 1 and not self.scalar(BUSY_DRAINS))
        return self.ask_anyhow()

    def ask_anyhow(self) -> str:
        body = {"dataset_id": dataset(self.client, "dim_accounts"), "format": "csv"}
        response = self.client.post("/exports", json=body)
        assert response.status_code == 202
        return str(response.json()["job_id"])

    def ended(self, job_id: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            self.stack.supervisor.check()
            job: dict[str, Any] = self.client.get(f"/exports/{job_id}").json()
            return job if job["status"] not in ("pending", "running") else None

        return until(look, 90)

    def begun(self, job_id: str) -> tuple[str, psutil.Process]:
        """The run of an export that a worker has begun, and the worker."""
        run = until(
            lambda: self.scalar("SELECT dagster_run_id FROM jobs WHERE id = :id AND status = 'running'", id=job_id)
        )
        return run, self.worker(run)

    def worker(self, run: str) -> psutil.Process:
        said = (
            "SELECT event FROM dagster.event_logs WHERE run_id = :run AND event LIKE '%Started process for run (pid%'"
        )
        found = re.search(r"Started process for run \(pid: (\d+)\)", self.scalar(said, run=run))
        assert found
        return psutil.Process(int(found[1]))

    def attempt(self, job_id: str) -> int:
        return int(self.scalar("SELECT attempt FROM jobs WHERE id = :id", id=job_id))

    def run_ended(self, run: str) -> str:
        def look() -> str | None:
            status = self.scalar("SELECT status FROM dagster.runs WHERE run_id = :run", run=run)
            return str(status) if status in ("SUCCESS", "FAILURE", "CANCELED") else None

        return until(look, 90)

    def made_by_workers(self, run: str) -> None:
        assert self.run_ended(run) == "SUCCESS"
        assert self.process("run workers") in self.worker(run).parents()

    def graphql(self, query: str, **variables: object) -> dict[str, Any]:
        url = f"{self.stack.dagster_ui_url}/graphql"
        answer = httpx.post(url, json={"query": query, "variables": variables}, timeout=30).json()
        assert "errors" not in answer, answer
        (found,) = answer["data"].values()
        assert "message" not in found, found
        return dict(found)

    def scalar(self, statement: str, **values: object) -> Any:
        with self._engine.connect() as connection:
            return connection.execute(text(statement), values).scalar()

    def process(self, name: str) -> psutil.Process:
        """A process of the stack."""
        groups = self.stack.supervisor._groups
        (found,) = [one for group in groups for one in group if isinstance(one, ManagedProcess) and one.name == name]
        assert found.pid is not None
        return psutil.Process(found.pid)

    @contextmanager
    def gate(self) -> Iterator[None]:
        """Inside, no run can open the warehouse."""
        until(lambda: not self.scalar(BUSY_DRAINS))
        with writing(self.stack.settings.warehouse):
            yield


@pytest.fixture(scope="module")
def desk(service: Service) -> Iterator[Desk]:
    engine = make_engine(service.stack.database_url, application="test")
    with service.client(service.users[1]) as client:
        yield Desk(service, client, engine)
    engine.dispose()


@pytest.fixture(scope="module")
def backfill(desk: Desk) -> str:
    """A backfill over two exports. Dagster looks for new ones twice a minute: it is begun early and looked at last."""
    keys = [desk.ask_anyhow() for _ in range(2)]
    assert {desk.ended(key)["status"] for key in keys} == {"completed"}
    asset = {"path": ["dataset_export"]}
    found = desk.graphql(BACKFILL, params={"assetSelection": [asset], "partitionNames": keys})
    return str(found["backfillId"])


@pytest.mark.parametrize("whole_pool", [False, True])
def test_an_export_whose_worker_is_killed_is_made_again(desk: Desk, *, whole_pool: bool) -> None:
    with desk.gate():
        job_id = desk.ask()
        run, worker = desk.begun(job_id)
        (desk.process("run workers") if whole_pool else worker).kill()
        until(lambda: gone(worker))
    job = desk.ended(job_id)

    assert (job["status"], desk.attempt(job_id)) == ("completed", 2)
    assert downloaded(desk.client, job)
    assert desk.run_ended(run) == "FAILURE"


@pytest.mark.parametrize("name", ["Dagster daemon", "code server"])
def test_what_is_asked_for_while_dagster_is_killed_is_made_once_it_is_back(desk: Desk, name: str) -> None:
    desk.process(name).kill()
    job_id = desk.ask_anyhow()
    job = desk.ended(job_id)

    assert job["status"] == "completed"
    assert downloaded(desk.client, job)


@pytest.mark.usefixtures("backfill")
def test_an_export_that_its_owner_cancels_stops_its_worker(desk: Desk) -> None:
    with desk.gate():
        job_id = desk.ask()
        run, worker = desk.begun(job_id)
        assert desk.client.delete(f"/exports/{job_id}").status_code == 202

        assert desk.run_ended(run) == "CANCELED"
        until(lambda: gone(worker))
    assert desk.ended(job_id)["status"] == "cancelled"


def test_an_export_that_an_operator_terminates_stops_its_worker_and_is_not_made_again(desk: Desk) -> None:
    with desk.gate():
        job_id = desk.ask()
        run, worker = desk.begun(job_id)
        desk.graphql(TERMINATE, run=run)

        assert desk.run_ended(run) == "CANCELED"
        until(lambda: gone(worker))
    job = desk.ended(job_id)
    assert (job["status"], job["error"]["code"], desk.attempt(job_id)) == ("failed", "run_cancelled", 1)


def test_retrying_and_launching_in_dagster_use_the_same_workers(desk: Desk) -> None:
    job_id = desk.ask()
    before = desk.ended(job_id)
    first = desk.scalar("SELECT dagster_run_id FROM jobs WHERE id = :id", id=job_id)
    desk.made_by_workers(desk.graphql(RETRY, run=first)["run"]["runId"])
    until(lambda: desk.scalar("SELECT lease_until IS NULL FROM jobs WHERE id = :id", id=job_id))
    tags = [{"key": "dagster/partition", "value": job_id}]
    by_hand = {"selector": {**SELECTOR, "jobName": "export"}, "mode": "default", "executionMetadata": {"tags": tags}}
    desk.made_by_workers(desk.graphql(LAUNCH, params=by_hand)["run"]["runId"])

    after = desk.ended(job_id)
    assert (after["status"], after["sha256"]) == (before["status"], before["sha256"])


def test_a_backfill_uses_the_same_workers(desk: Desk, backfill: str) -> None:
    runs = until(lambda: two(desk.scalar(OF_BACKFILL, backfill=backfill)), 120)
    for run in runs:
        desk.made_by_workers(run)


def two(found: list[str] | None) -> list[str] | None:
    return found if found and len(found) == 2 else None
