"""Exports whose run is stopped, whose processes are killed, and that operators start from Dagster: one real stack."""

import pytest

from analytics_exports.orchestration.checks import EXPORT_CHECKS
from analytics_exports_tests.journeys.requests import dataset, downloaded
from analytics_exports_tests.journeys.stack_driver import StackDriver
from analytics_exports_tests.run_workers import gone
from analytics_exports_tests.waiting import until

SELECTOR = {"repositoryLocationName": "analytics_exports", "repositoryName": "__repository__"}
TERMINATE = "mutation($run: String!) { terminateRun(runId: $run) { __typename } }"
DELETE = "mutation($run: String!) { deleteRun(runId: $run) { __typename ... on RunNotFoundError { message } } }"
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
OF_BACKFILL = """
    FROM dagster.runs JOIN dagster.run_tags USING (run_id) WHERE key = 'dagster/backfill' AND value = :backfill
"""
STATUSES = f"SELECT status, count(*) {OF_BACKFILL} GROUP BY status"
STEP_PROCESSES = f"""
    SELECT count(*) FROM dagster.event_logs WHERE dagster_event_type IN ('STEP_WORKER_STARTING', 'STEP_WORKER_STARTED')
    AND run_id IN (SELECT run_id {OF_BACKFILL})
"""
PROCESSES = """
    SELECT count(*) FROM dagster.event_logs WHERE run_id = :run
    AND (dagster_event_type LIKE 'STEP_WORKER%' OR event LIKE '%Started process for run%')
"""
MANY = 60


@pytest.fixture(scope="module")
def backfill(driver: StackDriver) -> str:
    """A backfill over many exports. Dagster looks for new ones when its daemon starts, and else twice a minute."""
    body = {"dataset_id": dataset(driver.client, "dim_accounts"), "format": "csv"}
    keys = [driver.client.post("/exports", json=body).json()["job_id"] for _ in range(MANY)]
    assert {driver.ended(key)["status"] for key in keys} == {"completed"}
    asset = {"path": ["dataset_export"]}
    found = driver.graphql(BACKFILL, params={"assetSelection": [asset], "partitionNames": keys})
    return str(found["backfillId"])


@pytest.mark.parametrize("whole_pool", [False, True])
def test_an_export_whose_worker_is_killed_is_made_again(driver: StackDriver, *, whole_pool: bool) -> None:
    with driver.warehouse_blocked():
        job_id = driver.ask()
        run, worker = driver.begun(job_id)
        (driver.process("run workers") if whole_pool else worker).kill()
        until(lambda: gone(worker))
    job = driver.ended(job_id)

    assert (job["status"], driver.attempt(job_id)) == ("completed", 2)
    assert downloaded(driver.client, job)
    assert driver.run_ended(run) == "FAILURE"


@pytest.mark.parametrize("name", ["code server", "Dagster daemon"])
def test_what_is_asked_for_while_dagster_is_killed_is_made_once_it_is_back(
    driver: StackDriver, name: str, request: pytest.FixtureRequest
) -> None:
    if name == "Dagster daemon":
        request.getfixturevalue("backfill")
    driver.quiet()  # a run that makes whatever is pending would need no daemon
    process = driver.process(name)
    process.kill()
    until(lambda: gone(process))
    job_id = driver.ask_anyhow()
    job = driver.ended(job_id)

    assert (job["status"], driver.attempt(job_id)) == ("completed", 1)
    assert downloaded(driver.client, job)


def test_a_backfill_is_made_by_the_same_workers_and_holds_nobody_up(driver: StackDriver, backfill: str) -> None:
    def statuses() -> dict[str, int]:
        return dict(driver.rows(STATUSES, backfill=backfill))

    until(lambda: statuses().get("SUCCESS"))
    assert driver.ended(driver.ask_anyhow())["status"] == "completed"
    meanwhile = statuses()
    until(lambda: statuses().get("SUCCESS") == MANY or "FAILURE" in statuses())

    assert statuses() == {"SUCCESS": MANY}
    assert meanwhile["SUCCESS"] < MANY
    assert not driver.scalar(STEP_PROCESSES, backfill=backfill)


def test_an_export_that_is_materialised_on_the_page_is_made_by_the_same_workers(driver: StackDriver) -> None:
    job_id = driver.ask_anyhow()
    before = driver.ended(job_id)
    asset = {"path": ["dataset_export"]}
    checks = [{"assetKey": asset, "name": spec.name} for spec in EXPORT_CHECKS]
    selector = {**SELECTOR, "jobName": "__ASSET_JOB", "assetSelection": [asset], "assetCheckSelection": checks}
    tags = [{"key": "dagster/partition", "value": job_id}, {"key": "dagster/partition_set", "value": "__ASSET_JOB"}]
    materialise = {"selector": selector, "mode": "default", "runConfigData": "{}", "executionMetadata": {"tags": tags}}
    run = driver.graphql(LAUNCH, params=materialise)["run"]["runId"]
    driver.made_by_workers(run)

    assert driver.scalar(PROCESSES, run=run) == 1
    assert driver.ended(job_id)["sha256"] == before["sha256"]


def test_an_export_that_its_owner_cancels_stops_its_worker(driver: StackDriver) -> None:
    with driver.warehouse_blocked():
        job_id = driver.ask()
        run, worker = driver.begun(job_id)
        assert driver.client.delete(f"/exports/{job_id}").status_code == 202

        assert driver.run_ended(run) == "CANCELED"
        until(lambda: gone(worker))
    assert driver.ended(job_id)["status"] == "cancelled"


def test_an_export_that_an_operator_terminates_stops_its_worker_and_is_not_made_again(driver: StackDriver) -> None:
    with driver.warehouse_blocked():
        job_id = driver.ask()
        run, worker = driver.begun(job_id)
        driver.graphql(TERMINATE, run=run)

        assert driver.run_ended(run) == "CANCELED"
        until(lambda: gone(worker))
    job = driver.ended(job_id)
    assert (job["status"], job["error"]["code"], driver.attempt(job_id)) == ("failed", "run_cancelled", 1)


def test_an_export_whose_run_an_operator_deletes_is_completed(driver: StackDriver) -> None:
    with driver.warehouse_blocked():
        job_id = driver.ask()
        run, _ = driver.begun(job_id)
        driver.graphql(DELETE, run=run)
        assert not driver.scalar("SELECT count(*) FROM dagster.runs WHERE run_id = :run", run=run)
    job = driver.ended(job_id)

    assert job["status"] == "completed"
    assert downloaded(driver.client, job)


def test_retrying_and_launching_in_dagster_use_the_same_workers(driver: StackDriver) -> None:
    job_id = driver.ask()
    before = driver.ended(job_id)
    first = driver.scalar("SELECT dagster_run_id FROM jobs WHERE id = :id", id=job_id)
    driver.made_by_workers(driver.graphql(RETRY, run=first)["run"]["runId"])
    until(lambda: driver.scalar("SELECT lease_until IS NULL FROM jobs WHERE id = :id", id=job_id))
    tags = [{"key": "dagster/partition", "value": job_id}]
    by_hand = {"selector": {**SELECTOR, "jobName": "export"}, "mode": "default", "executionMetadata": {"tags": tags}}
    driver.made_by_workers(driver.graphql(LAUNCH, params=by_hand)["run"]["runId"])

    after = driver.ended(job_id)
    assert (after["status"], after["sha256"]) == (before["status"], before["sha256"])
