"""Exports whose run is stopped, whose processes are killed, and that operators start from Dagster: one real stack."""

import pytest

from analytics_exports.orchestration.checks import EXPORT_CHECKS
from analytics_exports_tests.journeys.desk import Desk
from analytics_exports_tests.journeys.requests import dataset, downloaded
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
MANY = 150


@pytest.fixture(scope="module")
def backfill(desk: Desk) -> str:
    """A backfill over many exports. Dagster looks for new ones when its daemon starts, and else twice a minute."""
    body = {"dataset_id": dataset(desk.client, "dim_accounts"), "format": "csv"}
    keys = [desk.client.post("/exports", json=body).json()["job_id"] for _ in range(MANY)]
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


@pytest.mark.parametrize("name", ["code server", "Dagster daemon"])
def test_what_is_asked_for_while_dagster_is_killed_is_made_once_it_is_back(
    desk: Desk, name: str, request: pytest.FixtureRequest
) -> None:
    if name == "Dagster daemon":
        request.getfixturevalue("backfill")
    desk.quiet()  # a run that makes whatever is pending would need no daemon
    process = desk.process(name)
    process.kill()
    until(lambda: gone(process))
    job_id = desk.ask_anyhow()
    job = desk.ended(job_id)

    assert (job["status"], desk.attempt(job_id)) == ("completed", 1)
    assert downloaded(desk.client, job)


def test_a_backfill_is_made_by_the_same_workers_and_holds_nobody_up(desk: Desk, backfill: str) -> None:
    def statuses() -> dict[str, int]:
        return dict(desk.rows(STATUSES, backfill=backfill))

    until(lambda: statuses().get("SUCCESS"))
    assert desk.ended(desk.ask_anyhow())["status"] == "completed"
    meanwhile = statuses()
    until(lambda: statuses().get("SUCCESS") == MANY or "FAILURE" in statuses())

    assert statuses() == {"SUCCESS": MANY}
    assert meanwhile["SUCCESS"] < MANY
    assert not desk.scalar(STEP_PROCESSES, backfill=backfill)


def test_an_export_that_is_materialised_on_the_page_is_made_by_the_same_workers(desk: Desk) -> None:
    job_id = desk.ask_anyhow()
    before = desk.ended(job_id)
    asset = {"path": ["dataset_export"]}
    checks = [{"assetKey": asset, "name": spec.name} for spec in EXPORT_CHECKS]
    selector = {**SELECTOR, "jobName": "__ASSET_JOB", "assetSelection": [asset], "assetCheckSelection": checks}
    tags = [{"key": "dagster/partition", "value": job_id}, {"key": "dagster/partition_set", "value": "__ASSET_JOB"}]
    materialise = {"selector": selector, "mode": "default", "runConfigData": "{}", "executionMetadata": {"tags": tags}}
    run = desk.graphql(LAUNCH, params=materialise)["run"]["runId"]
    desk.made_by_workers(run)

    assert desk.scalar(PROCESSES, run=run) == 1
    assert desk.ended(job_id)["sha256"] == before["sha256"]


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


def test_an_export_whose_run_an_operator_deletes_is_completed(desk: Desk) -> None:
    with desk.gate():
        job_id = desk.ask()
        run, _ = desk.begun(job_id)
        desk.graphql(DELETE, run=run)
        assert not desk.scalar("SELECT count(*) FROM dagster.runs WHERE run_id = :run", run=run)
    job = desk.ended(job_id)

    assert job["status"] == "completed"
    assert downloaded(desk.client, job)


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
