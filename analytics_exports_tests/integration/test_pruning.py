"""What Dagster keeps of an expired export: nothing; and of the others: everything."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from dagster import AssetKey, AssetMaterialization, DagsterInstance, job
from dagster._core.storage.tags import PARTITION_NAME_TAG
from sqlalchemy import Engine, text

from analytics_exports.domain.export import JobId
from analytics_exports.gateway import BATCH_JOB, EXPORT_ASSET, EXPORT_JOB, PARTITIONS
from analytics_exports.gateway.dagster_gateway import DagsterGateway
from analytics_exports.orchestration.storage import PooledPostgresStorage
from analytics_exports.stack.environment import dagster_url

OLD = timedelta(days=3)
TABLES = ("runs", "run_tags", "event_logs", "asset_event_tags", "dynamic_partitions")


@job(name=EXPORT_JOB)
def one_export() -> None:
    """Stands for the run of one export."""


@job(name=BATCH_JOB)
def many_exports() -> None:
    """Stands for a run that makes many."""


@job
def something_else() -> None:
    """A run that has nothing to do with exports."""


class DagsterHistory:
    """An instance in which exports were made, and how many rows it keeps of them."""

    def __init__(self, instance: DagsterInstance, engine: Engine) -> None:
        self.instance = instance
        self.engine = engine
        self.gateway = DagsterGateway(engine, lambda: instance)

    def export(self, *, ended: bool = True) -> JobId:
        """A partition, a run for it with its events, and its materialisation, tagged as Dagster tags some."""
        job_id = JobId(uuid4())
        self.gateway.add_partitions([job_id])
        run = self.instance.create_run_for_job(one_export, tags={PARTITION_NAME_TAG: str(job_id), "more": "tags"})
        self.instance.report_engine_event("an event", run)
        self.materialise(job_id)
        if ended:
            self.instance.report_run_failed(run)
        return job_id

    def batch_run(self, count: int) -> list[JobId]:
        made = [JobId(uuid4()) for _ in range(count)]
        self.gateway.add_partitions(made)
        run = self.instance.create_run_for_job(many_exports)
        for job_id in made:
            self.materialise(job_id)
        self.instance.report_run_canceled(run)
        return made

    def materialise(self, job_id: JobId) -> None:
        tags = {"dagster/data_version": "1"}
        event = AssetMaterialization(EXPORT_ASSET, partition=str(job_id), tags=tags)
        self.instance.report_runless_asset_event(event)

    def rows(self) -> dict[str, int]:
        with self.engine.connect() as connection:
            return {name: int(connection.scalar(text(f"SELECT count(*) FROM dagster.{name}")) or 0) for name in TABLES}

    def grow_old(self) -> None:
        with self.engine.begin() as connection:
            for table, column in (("dynamic_partitions", "create_timestamp"), ("runs", "update_timestamp")):
                connection.execute(text(f"UPDATE dagster.{table} SET {column} = {column} - :old"), {"old": OLD})


@pytest.fixture
def history(tmp_path: Path, database_url: str, engine: Engine) -> Iterator[DagsterHistory]:
    storage = {
        "module": PooledPostgresStorage.__module__,
        "class": PooledPostgresStorage.__name__,
        "config": {"postgres_url": dagster_url(database_url)},
    }
    (tmp_path / "dagster.yaml").write_text(json.dumps({"storage": {"custom": storage}}))  # JSON is YAML
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        yield DagsterHistory(instance, engine)


def test_nothing_is_left_of_what_is_forgotten_and_all_of_the_rest(history: DagsterHistory) -> None:
    history.export()
    history.instance.create_run_for_job(something_else)
    kept = history.rows()
    gone = [history.export() for _ in range(2)]
    assert history.rows() != kept
    history.gateway.delete_history(gone)

    assert history.rows() == kept


def test_a_run_in_progress_is_not_forgotten(history: DagsterHistory) -> None:
    job_id = history.export(ended=False)
    history.gateway.delete_history([job_id])

    rows = history.rows()
    assert (rows["runs"], rows["dynamic_partitions"]) == (1, 0)
    assert rows["event_logs"] > 0


def test_an_export_made_with_others_leaves_the_others(history: DagsterHistory) -> None:
    made = history.batch_run(3)
    history.gateway.delete_history(made[:2])

    assert history.instance.get_materialized_partitions(AssetKey(EXPORT_ASSET)) == {str(made[2])}
    assert history.instance.get_dynamic_partitions(PARTITIONS) == [str(made[2])]


def test_what_is_old_goes_and_what_is_new_stays(history: DagsterHistory) -> None:
    history.export()
    history.batch_run(2)
    running = history.export(ended=False)
    other = history.instance.create_run_for_job(something_else)
    history.instance.report_run_failed(other)
    history.grow_old()
    fresh = history.export()
    history.gateway.prune(timedelta(days=2))

    left = {run.run_id for run in history.instance.get_runs()}
    tagged = {run.tags.get(PARTITION_NAME_TAG) for run in history.instance.get_runs()}
    assert other.run_id in left
    assert tagged == {None, str(running), str(fresh)}
    assert history.instance.get_dynamic_partitions(PARTITIONS) == [str(fresh)]


def test_pruning_goes_on_until_nothing_old_is_left(history: DagsterHistory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analytics_exports.gateway.pruning.PAGE", 2)
    for _ in range(5):
        history.export()
    history.grow_old()
    history.gateway.prune(timedelta(days=2))

    assert history.instance.get_runs_count() == 0
