"""Metrics on the real jobs table: the queue, the files, what ended, and who may read them."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import Engine, text
from starlette.testclient import TestClient

from analytics_exports.api.app import create_app
from analytics_exports.bootstrap.api import api_adapters, api_services
from analytics_exports.database.directory import PostgresDirectory
from analytics_exports.database.jobs import PostgresJobStore
from analytics_exports.domain.errors import OutOfMemory
from analytics_exports.domain.export import ExportJob, Failure
from analytics_exports.settings import Settings
from analytics_exports_tests import factories

LEASE = timedelta(minutes=1)


class MeteredService:
    """The application on a database of its own, and a user who exports."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        settings = Settings(state_dir=folder, database_url=factories.NO_DATABASE)
        self.jobs = PostgresJobStore(engine)
        self.owner = factories.principal()
        PostgresDirectory(engine).ensure_user(self.owner)
        self.app = create_app(api_services(settings, api_adapters(settings, engine)))
        self.values()

    def client(self, address: str = "127.0.0.1") -> TestClient:
        return TestClient(self.app, "http://localhost", client=(address, 1))

    def ask(self) -> ExportJob:
        return self.jobs.create(self.owner, factories.request())

    def age(self, job: ExportJob, **columns: str) -> None:
        """Move times of an export, as intervals to add."""
        changes = ", ".join(f"{name} = {name} + interval '{by}'" for name, by in columns.items())
        with self.engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text(f"UPDATE jobs SET {changes} WHERE id = :id"), {"id": job.id})

    def settle(self) -> None:
        """Let what happened be long enough ago."""
        with self.engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("UPDATE job_events SET at = at - interval '3 seconds'"))

    def values(self) -> dict[str, float]:
        answer = self.client().get("/metrics")
        assert answer.status_code == 200, answer.text
        return {
            sample.name.removeprefix("analytics_exports_")
            + "".join(f" {value}" for name, value in sorted(sample.labels.items()) if value): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }


@pytest.fixture
def service(engine: Engine, tmp_path: Path) -> MeteredService:
    return MeteredService(engine, tmp_path)


def test_an_idle_service_has_no_queue(service: MeteredService) -> None:
    values = service.values()

    assert values["database_up"] == 1
    assert {values[name] for name in ("pending", "pending_seconds", "running", "files", "overdue_seconds")} == {0}


def test_the_queue_and_its_age_are_reported(service: MeteredService) -> None:
    oldest = service.ask()
    service.ask()
    service.jobs.claim(service.ask().id, "run", LEASE)
    service.age(oldest, created_at="-90 seconds")
    service.jobs.skip_event(7, "Damaged")

    values = service.values()
    assert (values["pending"], values["running"], values["skipped_events"]) == (2, 1, 1)
    assert 90 <= values["pending_seconds"] < 100


def test_what_ended_is_counted_once(service: MeteredService) -> None:
    artifact = factories.artifact()
    _, claim = service.jobs.claim(service.ask().id, "run", LEASE)
    assert service.jobs.complete(claim, artifact, timedelta(hours=1))
    _, failed = service.jobs.claim(service.ask().id, "run", LEASE)
    assert service.jobs.fail_attempt(failed, Failure.of(OutOfMemory), max_attempts=1)
    assert "ended_total completed" not in service.values(), "a change is read when it has settled"
    service.settle()

    for _ in range(2):
        values = service.values()
        assert values["ended_total completed"] == 1
        assert values["ended_total out_of_memory failed"] == 1
        assert values["rows_total"] == artifact.row_count
        assert values["written_bytes_total"] == values["file_bytes"] == artifact.file_size_bytes
        assert values["run_seconds_count"] == 2


def test_a_file_that_should_be_gone_is_overdue_until_it_is(service: MeteredService) -> None:
    job = service.ask()
    _, claim = service.jobs.claim(job.id, "run", LEASE)
    service.jobs.complete(claim, factories.artifact(), timedelta(hours=1))
    assert service.values()["overdue_seconds"] == 0
    service.age(job, expires_at="-2 hours")
    assert 3500 < service.values()["overdue_seconds"] < 3700
    service.jobs.expire(10)
    assert 3500 < service.values()["overdue_seconds"] < 3700
    service.jobs.mark_files_removed([job.id])
    assert service.values()["overdue_seconds"] == 0


def test_requests_are_counted_by_route_and_never_by_address(service: MeteredService) -> None:
    client = service.client()
    client.get("/api/analytics/healthz")
    client.get("/api/analytics/healthz")
    client.get("/secret-of-somebody")
    client.request("BREW", "/api/analytics/healthz")

    values = service.values()
    assert values["http_requests_total GET /healthz 204"] == 2
    assert values["http_request_seconds_count GET /healthz"] == 2
    assert not [name for name in values if "secret" in name or "BREW" in name]


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("10.0.0.7", {}),
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}),
        ("127.0.0.1", {"Forwarded": "for=_a"}),
        ("?", {}),
    ],
)
def test_others_find_no_metrics(service: MeteredService, address: str, headers: dict[str, str]) -> None:
    assert service.client(address).get("/metrics", headers=headers).status_code == 404


def test_a_database_that_is_away_is_reported_by_the_metrics_themselves(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, database_url="postgresql://nobody@127.0.0.1:9/nothing", database_seconds=1)
    client = TestClient(create_app(api_services(settings)), "http://localhost", client=("127.0.0.1", 1))

    assert "analytics_exports_database_up 0.0" in client.get("/metrics").text


def test_the_dashboard_asks_for_metrics_that_there_are(service: MeteredService, repository: Path) -> None:
    _, claim = service.jobs.claim(service.ask().id, "run", LEASE)
    service.jobs.complete(claim, factories.artifact(), timedelta(hours=1))
    service.settle()
    exported = {name.partition(" ")[0] for name in service.values()}
    dashboard = json.loads((repository / "deploy/grafana/dashboard.json").read_text(encoding="utf-8"))
    asked = re.findall(
        r"analytics_exports_(\w+)", " ".join(panel["targets"][0]["expr"] for panel in dashboard["panels"])
    )

    assert asked
    assert set(asked) <= exported
