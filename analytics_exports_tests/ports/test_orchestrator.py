"""What every Orchestrator must do: run on a Dagster instance over PostgreSQL, and on the one in memory."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from dagster import AssetMaterialization, DagsterInstance, DagsterRunStatus, job
from dagster._core.errors import DagsterHomeNotSetError
from dagster._core.storage.tags import PARTITION_NAME_TAG
from sqlalchemy import Engine, create_engine, text

from analytics_exports.database.engine import make_engine
from analytics_exports.domain.errors import DatabaseUnavailable
from analytics_exports.domain.export import Claim, JobId
from analytics_exports.gateway import BATCH_JOB, EXPORT_ASSET, EXPORT_JOB, PARTITIONS
from analytics_exports.gateway.dagster_gateway import DagsterGateway
from analytics_exports.gateway.materialisation import to_metadata
from analytics_exports.orchestration.storage import PooledPostgresStorage
from analytics_exports.ports import ActiveRuns, Materialised, Orchestrator, RunEnded
from analytics_exports.stack.environment import dagster_url
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.orchestrator import FakeOrchestrator

DAY = timedelta(days=1)


class OrchestratorHarness:
    """An orchestrator in memory, and what happens in Dagster."""

    def __init__(self) -> None:
        self.fake = FakeOrchestrator()
        self.orchestrator: Orchestrator = self.fake

    def publish(self, claim: Claim) -> None:
        self.fake.log.append(Materialised(claim, factories.artifact()))

    def start(self, job_id: JobId | None) -> str:
        """A run for one export, or for many."""
        run_id = str(uuid4())
        batches = self.fake.running.batches + (job_id is None)
        self.fake.running = ActiveRuns(self.fake.running.total + 1, batches)
        if job_id is None:
            self.fake.batch_runs.add(run_id)
        return run_id

    def end(self, run_id: str, *, cancelled: bool) -> None:
        batches = self.fake.running.batches - (run_id in self.fake.batch_runs)
        self.fake.running = ActiveRuns(self.fake.running.total - 1, batches)
        self.fake.log.append(RunEnded(run_id, cancelled))

    def damage(self, position: int) -> None:
        self.fake.damaged.add(position)

    def stopping(self, run_id: str) -> bool:
        return run_id in self.fake.terminated

    def partitions(self) -> set[JobId]:
        return set(self.fake.partitions)

    def pass_time(self, time: timedelta) -> None:
        self.fake.now += time

    def go_away(self) -> None:
        self.fake.away = True


@job(name=EXPORT_JOB)
def one_export() -> None:
    """Stands for the run of one export."""


@job(name=BATCH_JOB)
def many_exports() -> None:
    """Stands for a run that makes many."""


class DagsterHarness(OrchestratorHarness):
    """A real instance, to which runs and events are reported as workers and daemons do."""

    def __init__(self, instance: DagsterInstance, engine: Engine) -> None:
        self.instance = instance
        self.engine = engine
        self.orchestrator = DagsterGateway(engine, lambda: instance)

    def publish(self, claim: Claim) -> None:
        metadata = to_metadata(claim, factories.artifact())
        event = AssetMaterialization(EXPORT_ASSET, partition=str(claim.job_id), metadata=metadata)
        self.instance.report_runless_asset_event(event)

    def damage(self, position: int) -> None:
        with self.engine.begin() as connection:
            connection.execute(text("UPDATE dagster.event_logs SET event = '{}' WHERE id = :id"), {"id": position})

    def start(self, job_id: JobId | None) -> str:
        tags = {PARTITION_NAME_TAG: str(job_id)} if job_id else {}
        run = self.instance.create_run_for_job(
            one_export if job_id else many_exports, tags=tags, status=DagsterRunStatus.STARTED
        )
        return run.run_id

    def end(self, run_id: str, *, cancelled: bool) -> None:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        report = self.instance.report_run_canceled if cancelled else self.instance.report_run_failed
        report(run)

    def stopping(self, run_id: str) -> bool:
        run = self.instance.get_run_by_id(run_id)
        return run is not None and run.status is DagsterRunStatus.CANCELING

    def partitions(self) -> set[JobId]:
        return {JobId(UUID(key)) for key in self.instance.get_dynamic_partitions(PARTITIONS)}

    def pass_time(self, time: timedelta) -> None:
        """Moving all stored times back is the same as moving the clock forward."""
        with self.engine.begin() as connection:
            for table, column in (("dynamic_partitions", "create_timestamp"), ("runs", "update_timestamp")):
                connection.execute(text(f"UPDATE dagster.{table} SET {column} = {column} - :time"), {"time": time})

    def go_away(self) -> None:
        """Nobody may connect any more, and whoever has is thrown out."""
        name = self.engine.url.database
        beside = create_engine(self.engine.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
        with beside.connect() as connection:
            connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
            backends = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
            connection.execute(text(backends))
        beside.dispose()


@pytest.fixture(params=["dagster", "memory"])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OrchestratorHarness]:
    if request.param == "memory":
        yield OrchestratorHarness()
        return
    database_url = request.getfixturevalue("database_url")
    storage = {
        "module": PooledPostgresStorage.__module__,
        "class": PooledPostgresStorage.__name__,
        "config": {"postgres_url": dagster_url(database_url)},
    }
    (tmp_path / "dagster.yaml").write_text(json.dumps({"storage": {"custom": storage}}))  # JSON is YAML
    engine = make_engine(database_url)
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        yield DagsterHarness(instance, engine)
    engine.dispose()


def new() -> JobId:
    return JobId(uuid4())


def claim(job_id: JobId | None = None, attempt: int = 1) -> Claim:
    return Claim(job_id or new(), attempt, "token")


def test_registering_twice_changes_nothing(harness: OrchestratorHarness) -> None:
    first, second = new(), new()
    harness.orchestrator.add_partitions([first])
    harness.orchestrator.add_partitions([first, second])
    harness.orchestrator.add_partitions([])

    assert harness.partitions() == {first, second}


def test_what_is_forgotten_is_no_partition_and_the_rest_stays(harness: OrchestratorHarness) -> None:
    gone, kept = new(), new()
    harness.orchestrator.add_partitions([gone, kept])
    harness.orchestrator.delete_history([gone, new()])

    assert harness.partitions() == {kept}


def test_what_is_old_is_pruned(harness: OrchestratorHarness) -> None:
    old, fresh = new(), new()
    harness.orchestrator.add_partitions([old])
    harness.pass_time(2 * DAY)
    harness.orchestrator.add_partitions([fresh])
    harness.orchestrator.prune(DAY)

    assert harness.partitions() == {fresh}


def test_events_come_in_their_order_each_once(harness: OrchestratorHarness) -> None:
    claims = [claim() for _ in range(3)]
    harness.publish(claims[0])
    lost = harness.start(claims[1].job_id)
    harness.end(lost, cancelled=False)
    harness.publish(claims[2])
    stopped = harness.start(None)
    harness.end(stopped, cancelled=True)

    expected = [
        Materialised(claims[0], factories.artifact()),
        RunEnded(lost, cancelled=False),
        Materialised(claims[2], factories.artifact()),
        RunEnded(stopped, cancelled=True),
    ]
    first = harness.orchestrator.events(0, 3)
    rest = harness.orchestrator.events(first[-1].position, 3)
    assert [logged.event for logged in (*first, *rest)] == expected
    assert harness.orchestrator.events(rest[-1].position, 3) == []
    assert harness.orchestrator.events(0, 10) == [*first, *rest]
    assert [harness.orchestrator.event(logged.position) for logged in first] == first
    assert harness.orchestrator.event(rest[-1].position + 1) is None


def test_an_event_that_cannot_be_read_says_so_and_hides_no_other(harness: OrchestratorHarness) -> None:
    claims = [claim() for _ in range(3)]
    for each in claims:
        harness.publish(each)
    damaged = harness.orchestrator.events(0, 10)[1].position
    harness.damage(damaged)

    before, unread, after = harness.orchestrator.events(0, 10)
    assert (before.event, after.event) == tuple(Materialised(claims[i], factories.artifact()) for i in (0, 2))
    assert (unread.position, unread.event) == (damaged, None)
    assert unread.problem
    assert harness.orchestrator.latest_materialisation(claims[1].job_id) is None


def test_the_latest_publication_of_an_export_is_found(harness: OrchestratorHarness) -> None:
    first = claim()
    again = claim(first.job_id, attempt=2)
    for each in (first, again, claim()):
        harness.publish(each)

    assert harness.orchestrator.latest_materialisation(first.job_id) == Materialised(again, factories.artifact())
    assert harness.orchestrator.latest_materialisation(new()) is None


def test_a_run_for_one_export_is_stopped_and_a_run_for_many_is_not(harness: OrchestratorHarness) -> None:
    one, many = harness.start(new()), harness.start(None)
    for run_id in (one, many):
        harness.orchestrator.terminate(run_id)

    assert (harness.stopping(one), harness.stopping(many)) == (True, False)


def test_runs_are_counted_until_they_end(harness: OrchestratorHarness) -> None:
    one, many = harness.start(new()), harness.start(None)
    assert harness.orchestrator.active_runs() == ActiveRuns(total=2, batches=1)
    harness.end(many, cancelled=False)
    assert harness.orchestrator.active_runs() == ActiveRuns(total=1, batches=0)
    harness.end(one, cancelled=True)
    assert harness.orchestrator.active_runs() == ActiveRuns(total=0, batches=0)


def test_an_orchestrator_that_is_away_says_so(harness: OrchestratorHarness) -> None:
    harness.go_away()

    with pytest.raises(DatabaseUnavailable):
        harness.orchestrator.events(0, 1)


def test_nothing_is_said_of_workers_where_nothing_is_known(engine: Engine) -> None:
    def nowhere() -> DagsterInstance:
        raise DagsterHomeNotSetError

    DagsterGateway(engine, nowhere).check_workers()
