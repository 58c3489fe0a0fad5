"""A PostgreSQL that accepts connections and does not respond, as on a paused virtual machine."""

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil

from analytics_exports.database import migrations
from analytics_exports.development.postgres import EmbeddedPostgres
from analytics_exports_tests.live_service import live_service
from analytics_exports_tests.scratch import scratch_postgres
from analytics_exports_tests.waiting import TIME_FACTOR, until

SOON_SECONDS = 3 * TIME_FACTOR
"""What is promised; the setting database_seconds leaves room for the rest of a request."""


@contextmanager
def frozen(server: EmbeddedPostgres) -> Iterator[None]:
    """Every process of the server stands still."""
    postmaster = psutil.Process(server.pid)
    family = [postmaster, *postmaster.children(recursive=True)]
    for process in family:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in family:
            process.send_signal(signal.SIGCONT)


def test_requests_are_refused_soon_and_store_nothing(tmp_path: Path) -> None:
    with scratch_postgres() as server:
        migrations.upgrade_schema(server.url)
        with live_service(tmp_path, server.url) as service:
            user = service.user()
            first = user.asked()
            with frozen(server), ThreadPoolExecutor(8) as several:
                began = time.monotonic()
                answers = list(several.map(lambda _: user.ask(), range(8)))
                waited = time.monotonic() - began
                alive = user.http.get("/healthz")

            assert [answer.status_code for answer in answers] == [503] * 8
            assert {answer.json()["code"] for answer in answers} == {"database_unavailable"}
            assert all(answer.headers["Retry-After"] for answer in answers)
            assert waited < SOON_SECONDS
            assert alive.status_code == 204
            until(lambda: user.ask().status_code == 202)
            assert service.scalar("SELECT count(*) FROM jobs") == 2
            assert service.make(first) == first
