"""Exports on the workers of two hosts: a real broker, an object store and PostgreSQL between them, nothing else."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, text

from analytics_exports.bootstrap.adapters import make_artifact_store
from analytics_exports.database.engine import make_engine
from analytics_exports.development.demo import create_users, demo_settings
from analytics_exports.development.postgres import embedded_postgres
from analytics_exports.settings import Settings
from analytics_exports.stack.environment import child_environment
from analytics_exports.stack.stack import Stack
from analytics_exports.stack.tcp import answers, free_port
from analytics_exports_tests.demo_warehouse import place_demo
from analytics_exports_tests.journeys.conftest import Service, settings_of
from analytics_exports_tests.journeys.requests import dataset, downloaded
from analytics_exports_tests.journeys.stack_driver import BUSY_BATCH_RUNS, LISTENERS
from analytics_exports_tests.object_store import S3
from analytics_exports_tests.run_workers import REPOSITORY
from analytics_exports_tests.scratch import scratch_folder
from analytics_exports_tests.waiting import LIMIT_SECONDS, until

pytestmark = pytest.mark.skipif(shutil.which("redis-server") is None, reason="redis-server is not installed")

LAUNCH_TICK = "Checking for new runs for sensor: launch_exports"
"""What a daemon says when it asks the code server for a tick."""

WORKER = ("worker", "-Q", "dagster", "--concurrency", "1", "--loglevel", "info", "-Ofair", "--without-gossip")


class Host:
    """A machine with a worker: folders of its own, with copies of the warehouse and the manifest."""

    def __init__(self, name: str, settings: Settings, database_url: str, folder: Path) -> None:
        self.name = name
        self.log = folder / "worker.log"
        home = folder / "dagster"
        home.mkdir(parents=True)
        shutil.copy(REPOSITORY / "deploy/dagster/celery.yaml", home / "dagster.yaml")
        own = {"state_dir": folder}
        for which in ("warehouse", "dbt_manifest", "dbt_catalog"):
            own[which] = Path(shutil.copy(getattr(settings, which), folder))
        self._environment = child_environment(settings.model_copy(update=own), database_url)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        celery = [sys.executable, "-m", "celery", "-A", "analytics_exports.orchestration.remote.app"]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                [*celery, *WORKER, "--hostname", f"worker@{self.name}"],
                env=self._environment,
                cwd=REPOSITORY,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def kill(self) -> None:
        """The machine loses its power."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    @property
    def runs(self) -> int:
        """How many runs it was given."""
        return self.log.read_text(encoding="utf-8").count(" received") if self.log.exists() else 0


class Cluster:
    """The service and its hosts, and ways to look behind it."""

    def __init__(self, service: Service, hosts: list[Host], engine: Engine, s3: S3) -> None:
        self.service, self.hosts, self.engine, self.s3 = service, hosts, engine, s3

    def ask(self, client: httpx.Client, **more: Any) -> str:
        body = {"dataset_id": dataset(client, "fct_transactions"), "format": "csv", **more}
        return str(client.post("/exports", json=body).json()["job_id"])

    def uploading(self, client: httpx.Client) -> tuple[str, str, Host]:
        """An export that waits at the closed gate of the object store, its run, which makes no other, and its host."""
        while True:
            before = [host.runs for host in self.hosts]
            until(lambda: len(self.listeners()) > 1 and not count(self.engine, BUSY_BATCH_RUNS))
            self.s3.uploads.pause()
            job_id = self.ask(client)
            until(lambda: self.s3.uploads.waiting)
            run_id = str(self.row(job_id).dagster_run_id)
            if not count(self.engine, BUSY_BATCH_RUNS):
                (host,) = [host for host, runs in zip(self.hosts, before, strict=True) if host.runs > runs]
                return job_id, run_id, host
            self.s3.uploads.resume()  # the last sensor that listened had one run make all that comes
            self.ended(client, job_id)

    def ended(self, client: httpx.Client, job_id: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            job: dict[str, Any] = client.get(f"/exports/{job_id}").json()
            return job if job["status"] not in ("pending", "running") else None

        return until(look)

    def row(self, job_id: str) -> Any:
        with self.engine.connect() as connection:
            return connection.execute(text("SELECT * FROM jobs WHERE id = :id"), {"id": job_id}).one()

    def listeners(self) -> set[int]:
        with self.engine.connect() as connection:
            return set(connection.execute(text(LISTENERS)).scalars())

    def run_status(self, run_id: str) -> str:
        with self.engine.connect() as connection:
            statement = text("SELECT status FROM dagster.runs WHERE run_id = :id")
            return str(connection.execute(statement, {"id": run_id}).scalar_one())


@contextmanager
def broker() -> Iterator[str]:
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: answers(port))
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait()


@pytest.fixture(scope="module")
def cluster(s3: S3) -> Iterator[Cluster]:
    with ExitStack() as held:
        url, state = held.enter_context(broker()), held.enter_context(scratch_folder())
        changes = {
            "artifact_store": s3.make_bucket().url,
            "broker_url": url,
            "lease_seconds": 3.0,
            "run_workers": 4,
            "launch_seconds": 30,
        }
        settings = demo_settings(settings_of(state)).model_copy(update=changes)
        sources = settings.warehouse.with_name("sources")
        stack = Stack(settings, print, embedded_postgres(settings))
        held.callback(stack.stop)
        stack.start_database()
        place_demo(settings.warehouse.parent)
        users = create_users(stack.database_url, sources, settings.warehouse.with_name("tokens.json"))
        make_artifact_store(settings).prepare()
        engine = make_engine(stack.database_url, application="test")
        held.callback(engine.dispose)
        hosts = [Host(name, settings, stack.database_url, state / name) for name in ("one", "two")]
        for host in hosts:
            held.callback(host.kill)
            host.start()
        stack.start_services()
        yield Cluster(Service(stack, users), hosts, engine, s3)


@contextmanager
def process(cluster: Cluster, *arguments: str | Path) -> Iterator[Path]:
    """One more process of the service; where it writes what it does."""
    stack = cluster.service.stack
    log = stack.state / "one-more.log"
    with log.open("wb") as output:
        started = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            env=child_environment(stack.settings, stack.database_url),
            cwd=REPOSITORY,
            stdout=output,
            stderr=output,
        )
    try:
        yield log
        assert started.poll() is None, "it ended by itself"
    finally:
        started.kill()
        started.wait()


@pytest.fixture
def replica(cluster: Cluster) -> Iterator[str]:
    """A second API process; where it is."""
    port = free_port()
    api = ("uvicorn", "--factory", "analytics_exports.api.app:create_app")
    with process(cluster, *api, "--host", "127.0.0.1", "--port", str(port)):
        until(lambda: answers(port))
        yield f"http://127.0.0.1:{port}/api/analytics"


@pytest.fixture
def client(cluster: Cluster) -> Iterator[httpx.Client]:
    with cluster.service.client(cluster.service.users[1]) as client:
        yield client
    cluster.s3.uploads.resume()


def test_exports_are_made_on_both_hosts(cluster: Cluster, client: httpx.Client) -> None:
    cluster.s3.uploads.pause()
    jobs = [cluster.ask(client) for _ in range(2)]
    until(lambda: cluster.s3.uploads.waiting == 2)
    until(lambda: [host.runs for host in cluster.hosts] == [1, 1])
    cluster.s3.uploads.resume()

    for job_id in jobs:
        job = cluster.ended(client, job_id)
        assert job["status"] == "completed"
        assert downloaded(client, job)


def test_what_was_asked_of_one_replica_is_followed_and_downloaded_at_another(
    cluster: Cluster, client: httpx.Client, replica: str
) -> None:
    with httpx.Client(base_url=replica, headers=client.headers, timeout=LIMIT_SECONDS) as other:
        job_id = cluster.ask(client)
        job = other.get(f"/exports/{job_id}", headers={"Prefer": "wait=30"}).json()

        assert job["status"] == "completed"
        assert downloaded(other, job) == downloaded(client, job)
        link = client.post(f"/exports/{job_id}/link").json()["url"]
        assert other.get(link.removeprefix("/api/analytics")).status_code == 200


def test_a_cancelled_export_stops_on_its_host_and_the_host_goes_on(cluster: Cluster, client: httpx.Client) -> None:
    job_id, run_id, _ = cluster.uploading(client)
    assert client.delete(f"/exports/{job_id}").status_code == 202
    cluster.s3.uploads.resume()  # a worker notices it between the parts of an upload

    assert cluster.ended(client, job_id)["status"] == "cancelled"
    until(lambda: cluster.run_status(run_id) == "CANCELED")
    assert client.get(f"/exports/{job_id}/download").status_code == 409
    for job_id in [cluster.ask(client) for _ in range(2)]:
        assert cluster.ended(client, job_id)["status"] == "completed"


def count(engine: Engine, statement: str) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text(statement)).scalar_one())


def test_the_export_of_a_lost_host_is_made_by_the_other(cluster: Cluster, client: httpx.Client) -> None:
    job_id, run_id, lost = cluster.uploading(client)
    lost.kill()
    cluster.s3.uploads.resume()

    job = cluster.ended(client, job_id)
    assert job["status"] == "completed"
    assert downloaded(client, job)
    assert cluster.row(job_id).attempt == 2
    until(lambda: cluster.run_status(run_id) == "FAILURE")


def test_a_second_daemon_makes_no_export_twice(cluster: Cluster, client: httpx.Client) -> None:
    with process(cluster, "dagster._daemon", "run", "-w", REPOSITORY / "workspace.yaml") as log:
        until(lambda: LAUNCH_TICK in log.read_text(encoding="utf-8"))
        jobs = [cluster.ask(client) for _ in range(6)]
        assert {cluster.ended(client, job_id)["status"] for job_id in jobs} == {"completed"}

    assert {cluster.row(job_id).attempt for job_id in jobs} == {1}
