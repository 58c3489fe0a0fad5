"""Exports while PostgreSQL or the folder of files is away for a moment: one real stack."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Self
from uuid import uuid4

from analytics_exports_tests.journeys.conftest import Service, desk_of
from analytics_exports_tests.journeys.desk import FAST, IMMEDIATE, Desk
from analytics_exports_tests.journeys.requests import dataset, downloaded
from analytics_exports_tests.waiting import until

RESTARTS = 20
SEED = 1
FORMATS = ("csv", "parquet", "ndjson", "xlsx")


def test_without_the_folder_of_files_the_service_is_not_ready_and_what_is_pending_waits(desk: Desk) -> None:
    desk.quiet()
    with ExitStack() as away:
        with desk.frozen("code server"):  # which launches what is pending
            job_id = desk.ask_anyhow()
            away.enter_context(moved(Path(desk.stack.settings.artifact_root)))
            since = desk.scalar("SELECT now()")
        ready = desk.client.get("/readyz")
        refused = desk.post("dim_accounts")
        desk.wait_for_look(since)
        waiting = desk.client.get(f"/exports/{job_id}").json()["status"], desk.attempt(job_id)
    job = desk.ended(job_id)

    assert (ready.status_code, ready.json()["parts"]["artifact_store"]) == (503, False)
    assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
    assert waiting == ("pending", 0)
    assert (job["status"], desk.attempt(job_id)) == ("completed", 1)


@contextmanager
def moved(folder: Path) -> Iterator[None]:
    """Inside, the folder is not where it should be, as if its disk were not mounted."""
    elsewhere = folder.with_name("moved")
    folder.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.rename(folder)


def test_a_running_export_survives_a_restart_of_postgresql(desk: Desk) -> None:
    with desk.gate():
        job_id = desk.ask()
        desk.begun(job_id)
        desk.restart_postgres(FAST)
    job = desk.ended(job_id)

    assert (job["status"], desk.attempt(job_id)) == ("completed", 1)
    assert downloaded(desk.client, job)


def test_exports_complete_at_their_first_attempt_whenever_postgresql_is_restarted(service: Service) -> None:
    random = Random(SEED)
    with desk_of(service, service.users[0]) as desk:
        asking = Asking(desk, Random(SEED))
        with asking:
            for restarts in range(RESTARTS):
                until(lambda: len(asking.job_ids) > restarts)  # noqa: B023 - called at once
                time.sleep(random.uniform(0, 0.5))  # a random point of the exports that are being made
                desk.restart_postgres(random.choice((FAST, IMMEDIATE)))
        for job_id in asking.job_ids:
            desk.ended(job_id)
        ended = "SELECT status, attempt, error_code, count(*) FROM jobs WHERE id = ANY(:ids) GROUP BY 1, 2, 3"
        assert desk.rows(ended, ids=asking.job_ids) == [("completed", 1, None, len(asking.job_ids))]


class Asking(threading.Thread):
    """Asks for one export after another, large and small, and repeats what the service could not take."""

    def __init__(self, desk: Desk, random: Random) -> None:
        super().__init__(daemon=True)
        self._desk, self._random = desk, random
        self._datasets = [dataset(desk.client, name) for name in ("fct_transactions", "dim_accounts")]
        self._told = threading.Event()
        self.job_ids: list[str] = []

    def run(self) -> None:
        while not self._told.wait(self._random.uniform(0, 0.5)):
            body = {"dataset_id": self._random.choice(self._datasets), "format": self._random.choice(FORMATS)}
            headers = {"Idempotency-Key": uuid4().hex}
            self.job_ids.append(until(lambda: self._accepted(body, headers)))  # noqa: B023 - called at once

    def _accepted(self, body: dict[str, str], headers: dict[str, str]) -> str | None:
        response = self._desk.client.post("/exports", json=body, headers=headers)
        if response.status_code == 503:
            return None
        assert response.status_code == 202, response.text
        return str(response.json()["job_id"])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._told.set()
        self.join()
