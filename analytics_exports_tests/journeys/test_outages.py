"""Exports while PostgreSQL or the folder of files is unavailable for a moment: one real stack."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Self
from uuid import uuid4

from analytics_exports_tests.journeys.conftest import Service, driver_of
from analytics_exports_tests.journeys.requests import dataset, downloaded
from analytics_exports_tests.journeys.stack_driver import FAST, IMMEDIATE, StackDriver
from analytics_exports_tests.waiting import until

RESTARTS = 20
SEED = 1
FORMATS = ("csv", "parquet", "ndjson", "xlsx")


def test_without_the_folder_of_files_the_service_is_not_ready_and_what_is_pending_waits(driver: StackDriver) -> None:
    driver.quiet()
    with ExitStack() as away:
        with driver.frozen("code server"):  # which launches what is pending
            job_id = driver.ask_anyhow()
            away.enter_context(moved(Path(driver.stack.settings.artifact_root)))
            since = driver.scalar("SELECT now()")
        ready = driver.client.get("/readyz")
        refused = driver.post("dim_accounts")
        driver.wait_for_look(since)
        waiting = driver.client.get(f"/exports/{job_id}").json()["status"], driver.attempt(job_id)
    job = driver.ended(job_id)

    assert (ready.status_code, ready.json()["parts"]["artifact_store"]) == (503, False)
    assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
    assert waiting == ("pending", 0)
    assert (job["status"], driver.attempt(job_id)) == ("completed", 1)


@contextmanager
def moved(folder: Path) -> Iterator[None]:
    """Inside, the folder is not where it should be, as if its disk were not mounted."""
    elsewhere = folder.with_name("moved")
    folder.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.rename(folder)


def test_a_running_export_survives_a_restart_of_postgresql(driver: StackDriver) -> None:
    with driver.warehouse_blocked():
        job_id = driver.ask()
        driver.begun(job_id)
        driver.restart_postgres(FAST)
    job = driver.ended(job_id)

    assert (job["status"], driver.attempt(job_id)) == ("completed", 1)
    assert downloaded(driver.client, job)


def test_exports_complete_at_their_first_attempt_whenever_postgresql_is_restarted(service: Service) -> None:
    random = Random(SEED)
    with driver_of(service, service.users[0]) as driver:
        asking = Asking(driver, Random(SEED))
        with asking:
            for restarts in range(RESTARTS):
                until(lambda: len(asking.job_ids) > restarts)  # noqa: B023 - called at once
                time.sleep(random.uniform(0, 0.5))  # a random point of the exports that are being made
                driver.restart_postgres(random.choice((FAST, IMMEDIATE)))
        for job_id in asking.job_ids:
            driver.ended(job_id)
        ended = "SELECT status, attempt, error_code, count(*) FROM jobs WHERE id = ANY(:ids) GROUP BY 1, 2, 3"
        assert driver.rows(ended, ids=asking.job_ids) == [("completed", 1, None, len(asking.job_ids))]


class Asking(threading.Thread):
    """Asks for one export after another, large and small, and repeats what the service could not take."""

    def __init__(self, driver: StackDriver, random: Random) -> None:
        super().__init__(daemon=True)
        self._driver, self._random = driver, random
        self._datasets = [dataset(driver.client, name) for name in ("fct_transactions", "dim_accounts")]
        self._stopping = threading.Event()
        self.job_ids: list[str] = []

    def run(self) -> None:
        while not self._stopping.wait(self._random.uniform(0, 0.5)):
            body = {"dataset_id": self._random.choice(self._datasets), "format": self._random.choice(FORMATS)}
            headers = {"Idempotency-Key": uuid4().hex}
            self.job_ids.append(until(lambda: self._accepted(body, headers)))  # noqa: B023 - called at once

    def _accepted(self, body: dict[str, str], headers: dict[str, str]) -> str | None:
        response = self._driver.client.post("/exports", json=body, headers=headers)
        if response.status_code == 503:
            return None
        assert response.status_code == 202, response.text
        return str(response.json()["job_id"])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self.join()
