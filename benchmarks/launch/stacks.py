"""The services that are compared: real processes on free ports, and a caller."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import psutil
from sqlalchemy import Engine, text

from analytics_exports.bootstrap.adapters import make_artifact_store
from analytics_exports.contract import BASE_PATH
from analytics_exports.database.engine import make_engine
from analytics_exports.development.demo import DemoUser, build_demo, create_users, demo_settings
from analytics_exports.development.postgres import embedded_postgres
from analytics_exports.settings import Settings
from analytics_exports.stack.environment import dagster_home
from analytics_exports.stack.processes import ManagedProcess, Program
from analytics_exports.stack.stack import DEFINITIONS, Stack
from analytics_exports.stack.supervisor import DatabaseServer
from analytics_exports.stack.tcp import LOOPBACK, answers, free_port

BROKER = "redis-server"
NAIVE = Path(__file__).with_name("naive.yaml")
NAIVE_DEFINITIONS = "benchmarks.launch.naive"
OWNER = "Demo household 4"
"""Whose rows are exported: the whole of the facts, which are 500 rows."""

REQUEST = {"format": "csv"}
DATASET = "fct_transactions"
WAIT_SECONDS, LIMIT_SECONDS = 20, 180.0


class NaiveStack(Stack):
    """The same service with Dagster as it comes: no warm workers, and another instance and definitions."""

    def start_services(self) -> None:
        """Start what there is."""
        make_artifact_store(self.settings).prepare()
        home = dagster_home(self.settings)
        home.mkdir(exist_ok=True)
        shutil.copyfile(NAIVE, home / "dagster.yaml")
        self.supervisor.start(self._code_server(), self._api(), self._webserver(), self._daemon())

    def _python(self, name: str, *arguments: str, stop_seconds: float = 10) -> Program:
        replaced = [NAIVE_DEFINITIONS if argument == DEFINITIONS else argument for argument in arguments]
        return super()._python(name, *replaced, stop_seconds=stop_seconds)


class CeleryStack(Stack):
    """The same service with the run workers of Celery, as on other machines, and a broker in memory."""

    def __init__(self, settings: Settings, say: Callable[[str], None], database: DatabaseServer | None = None) -> None:
        """Choose a port for the broker."""
        self._port = free_port()
        super().__init__(
            settings.model_copy(update={"broker_url": f"redis://{LOOPBACK}:{self._port}/0"}), say, database
        )

    def start_services(self) -> None:
        """Start the broker, what there is, and the workers: as many as there are warm ones otherwise."""
        redis = [shutil.which(BROKER) or BROKER, "--port", str(self._port), "--bind", LOOPBACK, "--save", ""]
        program = Program(arguments=redis, environment={}, folder=self.state, log=self.logs / "broker.log")
        self.supervisor.start(ManagedProcess("broker", program, partial(answers, self._port), port=self._port))
        super().start_services()
        celery = ("-m", "celery", "-A", "analytics_exports.orchestration.remote.app", "worker", "-Q", "dagster")
        size = ("--concurrency", str(self.settings.run_workers), "-Ofair", "--without-gossip", "--without-mingle")
        workers = self._python("workers", *celery, *size)
        self.supervisor.start(ManagedProcess("workers", workers, lambda: "ready." in workers.log.read_text()))


@dataclass(frozen=True)
class Service:
    """A running service and one of its users."""

    stack: Stack
    user: DemoUser
    engine: Engine
    client: httpx.Client
    dataset: str

    def export(self) -> float:
        """Ask for an export and download it; returns the seconds between the request and the last byte."""
        began = time.perf_counter()
        self.download(self.ended(self.ask(wait=WAIT_SECONDS)))
        return time.perf_counter() - began

    def ask(self, wait: int = 0) -> dict[str, Any]:
        """Ask for an export; the answer is held back until it has ended, or for ``wait`` seconds."""
        headers = {"Prefer": f"wait={wait}"} if wait else {}
        response = self.client.post("/exports", json={**REQUEST, "dataset_id": self.dataset}, headers=headers)
        return found(response)

    def ended(self, job: dict[str, Any]) -> dict[str, Any]:
        """The export once it is completed."""
        deadline = time.monotonic() + LIMIT_SECONDS
        while job["status"] in ("pending", "running"):
            if time.monotonic() > deadline:
                raise TimeoutError("An export did not end.")
            job = found(self.client.get(f"/exports/{job['job_id']}", headers={"Prefer": f"wait={WAIT_SECONDS}"}))
        if job["status"] != "completed":
            raise RuntimeError(f"An export ended as {job['status']}: {job['error']}")
        return job

    def download(self, job: dict[str, Any]) -> bytes:
        """The file."""
        return self.client.get(f"/exports/{job['job_id']}/download").raise_for_status().content

    def api_cpu_seconds(self) -> float:
        """Processor time of the API so far."""
        return next(_cpu_seconds(each) for each in psutil.Process().children(recursive=True) if _is_api(each))

    def scalar(self, statement: str, **values: object) -> Any:  # noqa: ANN401 - whatever is asked for
        """Look into the database."""
        with self.engine.connect() as connection:
            return connection.execute(text(statement), values).scalar()


@contextmanager
def running(kind: type[Stack], state: Path, say: Callable[[str], None], **settings_of: object) -> Iterator[Service]:
    """A service with everything up, in a state folder that has the demonstration's warehouse or will.

    Args:
        settings_of: Settings of the service that differ from the default.
    """
    ports = {name: free_port() for name in ("api_port", "dagster_ui_port", "code_server_port", "postgres_port")}
    settings = demo_settings(Settings(state_dir=state).model_copy(update={**ports, **settings_of}))
    sources = settings.warehouse.with_name("sources")
    stack = kind(settings, say, embedded_postgres(settings))
    try:
        stack.start_database()
        build_demo(settings, sources, say)
        users = create_users(stack.database_url, sources, settings.warehouse.with_name("tokens.json"))
        user = next(user for user in users if user.label == OWNER)
        stack.start_services()
        headers = {"Authorization": f"Bearer {user.token}"}
        with httpx.Client(base_url=stack.api_url + BASE_PATH, headers=headers, timeout=60) as client:
            listed = found(client.get("/datasets"))["datasets"]
            dataset = next(item["id"] for item in listed if item["dataset_name"] == DATASET)
            engine = make_engine(stack.database_url, application="benchmark")
            yield Service(stack, user, engine, client, dataset)
            engine.dispose()
    finally:
        stack.stop()


def _is_api(process: psutil.Process) -> bool:
    return "uvicorn" in process.cmdline()


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def found(response: httpx.Response) -> dict[str, Any]:
    """The body of an answer that is not an error."""
    body: dict[str, Any] = response.raise_for_status().json()
    return body
