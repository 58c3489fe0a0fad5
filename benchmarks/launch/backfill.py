"""A backfill from Dagster's page: many exports made again, each in a run of its own, while people ask for new ones."""

import time
from dataclasses import dataclass

import httpx

from benchmarks.launch.burst import posted
from benchmarks.launch.meter import Meter
from benchmarks.launch.stacks import LIMIT_SECONDS, Service

LAUNCH = """
mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) { ... on LaunchBackfillSuccess { backfillId } }
}
"""
KEYS = """
    SELECT array_agg(id::text) FROM (
        SELECT id FROM jobs WHERE status = 'completed' ORDER BY created_at DESC LIMIT :count) AS newest
"""
OF_BACKFILL = """
    FROM dagster.runs JOIN dagster.run_tags USING (run_id) WHERE key = 'dagster/backfill' AND value = :backfill
"""
BEGUN = f"SELECT count(*) {OF_BACKFILL}"
ENDED = f"{BEGUN} AND status IN ('SUCCESS', 'FAILURE', 'CANCELED')"
FAILED = f"{BEGUN} AND status <> 'SUCCESS'"
EXPORT_EVERY_SECONDS = 3.0


@dataclass(frozen=True)
class Backfill:
    """Seconds from the first run to the end of the last, and how long each new export took meanwhile."""

    exports: int
    seconds: float
    failed: int
    cpu_seconds_each: float
    new_export_seconds: list[float]


def backfill(service: Service, count: int) -> Backfill:
    """Measure a backfill of ``count`` exports; new exports are asked for all the while."""
    posted(service, count)
    backfill_id = _launch(service, service.scalar(KEYS, count=count))
    _wait_for_first_run(service, backfill_id)
    meter, times = Meter(), []
    while service.scalar(ENDED, backfill=backfill_id) < count:
        times.append(service.export())
        time.sleep(EXPORT_EVERY_SECONDS)
    seconds, used = meter.seconds, meter.used
    return Backfill(count, seconds, service.scalar(FAILED, backfill=backfill_id), used / count, times)


def _launch(service: Service, keys: list[str]) -> str:
    """Start the backfill, as Dagster's page does; returns its id."""
    asset = {"path": ["dataset_export"]}
    params = {"assetSelection": [asset], "partitionNames": keys}
    url = f"{service.stack.dagster_ui_url}/graphql"
    answer = httpx.post(url, json={"query": LAUNCH, "variables": {"params": params}}, timeout=60).json()
    return str(answer["data"]["launchPartitionBackfill"]["backfillId"])


def _wait_for_first_run(service: Service, backfill_id: str) -> None:
    deadline = time.monotonic() + LIMIT_SECONDS
    while not service.scalar(BEGUN, backfill=backfill_id):
        if time.monotonic() > deadline:
            raise TimeoutError("The backfill did not begin.")
        time.sleep(0.1)
