"""A user and an operator of the real stack, for journeys in which something goes wrong.

A writer that holds the warehouse keeps runs that have begun waiting, as dbt does.
"""

import re
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any

import httpx
import psutil
from sqlalchemy import Engine, text

from analytics_exports.development.postgres import EmbeddedPostgres
from analytics_exports.stack.processes import ManagedProcess
from analytics_exports.stack.stack import Stack
from analytics_exports_tests.journeys.requests import dataset
from analytics_exports_tests.ports.test_warehouse import writing
from analytics_exports_tests.run_workers import gone
from analytics_exports_tests.waiting import LIMIT_SECONDS, until

BUSY_BATCH_RUNS = """
    SELECT count(*) FROM dagster.runs
    WHERE pipeline_name = 'export_batch' AND status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')
"""
FAST, IMMEDIATE = signal.SIGINT, signal.SIGQUIT
"""How PostgreSQL ends: after telling everybody, or at once and with a recovery at the next start."""

LISTENERS = "SELECT pid, query_start FROM pg_stat_activity WHERE application_name = 'listens to exports_pending'"
"""Connections of the sensors that wait for exports; one goes when its tick is over."""

LOOKS = f"{LISTENERS} AND query LIKE 'SELECT count%' AND query_start > :since"
"""Of these, the ones whose sensor has looked for exports since then: it counts them all first."""


class StackDriver:
    """A user who asks for exports, and an operator with Dagster's web page and a look behind it."""

    def __init__(self, stack: Stack, client: httpx.Client, engine: Engine) -> None:
        self.stack, self.client, self._engine = stack, client, engine

    def quiet(self) -> None:
        """Wait until no run is in progress that makes whatever is pending: the next export gets a run of its own."""
        until(lambda: len(self.listeners()) > 1 and not self.scalar(BUSY_BATCH_RUNS))

    def listeners(self) -> set[int]:
        return {pid for pid, _ in self.rows(LISTENERS)}

    def wait_for_look(self, since: datetime) -> None:
        """Wait until a sensor that looked for exports after ``since`` has done so, and looks again."""
        looks = defaultdict(set)

        def again() -> bool:
            for pid, at in self.rows(LOOKS, since=since):
                looks[pid].add(at)
            return any(len(times) > 1 for times in looks.values())

        until(again)

    def ask(self) -> str:
        """Ask for an export that gets a run of its own."""
        self.quiet()
        return self.ask_anyhow()

    def ask_anyhow(self) -> str:
        response = self.post("dim_accounts")
        assert response.status_code == 202
        return str(response.json()["job_id"])

    def post(self, name: str) -> httpx.Response:
        return self.client.post("/exports", json={"dataset_id": dataset(self.client, name), "format": "csv"})

    def ended(self, job_id: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            self.stack.supervisor.check()
            answer = self.client.get(f"/exports/{job_id}")
            if answer.status_code == 503:  # PostgreSQL was away a moment ago
                return None
            job: dict[str, Any] = answer.json()
            return job if job["status"] not in ("pending", "running") else None

        return until(look)

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

        return until(look)

    def made_by_workers(self, run: str) -> None:
        assert self.run_ended(run) == "SUCCESS"
        assert self.process("run workers") in self.worker(run).parents()

    def graphql(self, query: str, **variables: object) -> dict[str, Any]:
        url = f"{self.stack.dagster_ui_url}/graphql"
        answer = httpx.post(url, json={"query": query, "variables": variables}, timeout=LIMIT_SECONDS).json()
        assert "errors" not in answer, answer
        (found,) = answer["data"].values()
        assert "message" not in found, found
        return dict(found)

    def scalar(self, statement: str, **values: object) -> Any:
        with self._engine.connect() as connection:
            return connection.execute(text(statement), values).scalar()

    def rows(self, statement: str, **values: object) -> list[Any]:
        with self._engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(statement), values)]

    def process(self, name: str) -> psutil.Process:
        """A process of the stack."""
        groups = self.stack.supervisor._groups
        (found,) = [one for group in groups for one in group if isinstance(one, ManagedProcess) and one.name == name]
        assert found.pid is not None
        return psutil.Process(found.pid)

    def restart_postgres(self, mode: signal.Signals) -> None:
        """As an operator does, with everybody connected; ``mode`` is ``FAST`` or ``IMMEDIATE``."""
        ((server, *_), *_) = self.stack.supervisor._groups
        assert isinstance(server, EmbeddedPostgres)
        process = psutil.Process(server.pid)
        process.send_signal(mode)
        until(lambda: gone(process))
        server.stop()
        server.start()

    @contextmanager
    def warehouse_blocked(self) -> Iterator[None]:
        """Inside, no run can open the warehouse."""
        until(lambda: not self.scalar(BUSY_BATCH_RUNS))
        with writing(self.stack.settings.warehouse):
            yield

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """Inside, a process of the stack does nothing."""
        process = self.process(name)
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    @contextmanager
    def slow(self) -> Iterator[None]:
        """Inside, run workers have a tenth of the time, so that their progress is seen however fast the machine is."""
        pool, over = self.process("run workers"), threading.Event()

        def brake() -> None:
            while not over.wait(0.02):
                workers = pool.children(recursive=True)
                for number, pause in ((signal.SIGSTOP, 0.2), (signal.SIGCONT, 0)):
                    for worker in workers:
                        with suppress(psutil.NoSuchProcess):
                            worker.send_signal(number)
                    time.sleep(pause)

        thread = threading.Thread(target=brake)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
