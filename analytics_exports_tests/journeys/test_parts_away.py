"""Exports while PostgreSQL or the folder of files is away for a moment: one real stack."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from analytics_exports.services.launching import LOOK_SECONDS
from analytics_exports_tests.journeys.desk import Desk
from analytics_exports_tests.journeys.requests import downloaded
from analytics_exports_tests.run_workers import gone, until

pytestmark = pytest.mark.timeout(240)


def test_a_running_export_survives_a_restart_of_postgresql(desk: Desk) -> None:
    with desk.gate():
        job_id = desk.ask()
        desk.begun(job_id)
        restart_postgres(desk)
    job = desk.ended(job_id)

    assert (job["status"], desk.attempt(job_id)) == ("completed", 1)
    assert downloaded(desk.client, job)


def test_without_the_folder_of_files_the_service_is_not_ready_and_what_is_pending_waits(desk: Desk) -> None:
    with ExitStack() as away:
        with desk.frozen("code server"):  # which launches what is pending
            job_id = desk.ask_anyhow()
            away.enter_context(moved(Path(desk.stack.settings.artifact_root)))
        ready = desk.client.get("/readyz")
        refused = desk.post("dim_accounts")
        time.sleep(LOOK_SECONDS + 1)  # nothing is to happen, so there is nothing to wait for
        waiting = desk.client.get(f"/exports/{job_id}").json()["status"], desk.attempt(job_id)
    job = desk.ended(job_id)

    assert (ready.status_code, ready.json()["parts"]["artifact_store"]) == (503, False)
    assert (refused.status_code, refused.json()["code"]) == (503, "storage_unavailable")
    assert waiting == ("pending", 0)
    assert (job["status"], desk.attempt(job_id)) == ("completed", 1)


def restart_postgres(desk: Desk) -> None:
    """As an operator does, with everybody connected."""
    server = desk.postgres()
    server.send_signal(signal.SIGINT)
    until(lambda: gone(server))
    desk.stack.supervisor.check()  # it starts what has ended


@contextmanager
def moved(folder: Path) -> Iterator[None]:
    """Inside, the folder is not where it should be, as if its disk were not mounted."""
    elsewhere = folder.with_name("moved")
    folder.rename(elsewhere)
    try:
        yield
    finally:
        elsewhere.rename(folder)
