"""Exports through real Dagster in this process: real storage in PostgreSQL, real warehouse, real files."""

import hashlib
import shutil
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import polars as pl
import pyarrow.parquet as pq
import pytest
from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    DagsterInstance,
    ExecuteInProcessResult,
    MarkdownMetadataValue,
    MetadataValue,
    SensorResult,
    TableSchemaMetadataValue,
    build_sensor_context,
    materialize,
    validate_run_config,
)
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from sqlalchemy import func, insert, select

from analytics_exports.artifacts import LocalArtifactStore
from analytics_exports.bootstrap import Application, application
from analytics_exports.database.models import User
from analytics_exports.domain.access import Principal
from analytics_exports.domain.dataset import Rejection, dataset_id
from analytics_exports.domain.export import ExportFilter, ExportJob, Status
from analytics_exports.domain.formats import Format
from analytics_exports.domain.selection import NumericRange, Selection
from analytics_exports.gateway import SCHEMA
from analytics_exports.orchestration.assets import dataset_export
from analytics_exports.orchestration.build import build_definitions
from analytics_exports.orchestration.checks import datasets_are_offered
from analytics_exports.orchestration.io_managers import export_io_manager
from analytics_exports.orchestration.launchpad import EXAMPLE_CONFIG, request_export
from analytics_exports.orchestration.lineage import dataset_key
from analytics_exports.orchestration.resources import open_productions
from analytics_exports.orchestration.sensors import REQUEST_TAG, _single_run
from analytics_exports.services.artifact_inspector import OWNER_ONLY, READABLE, ROW_COUNT
from analytics_exports.settings import Settings
from analytics_exports.stack.environment import child_environment
from analytics_exports_tests import factories
from analytics_exports_tests.demo_warehouse import built_demo
from analytics_exports_tests.fakes.catalogue import FakeCatalogue

DEMO_USER = UUID("44444444-4444-4444-8444-444444444444")


class World:
    """The wired service of this process, and its Dagster instance."""

    def __init__(self, app: Application, instance: DagsterInstance) -> None:
        self.app = app
        self.instance = instance
        self.caller = factories.principal(DEMO_USER)
        with app.engine.begin() as connection:
            connection.execute(insert(User).values(id=DEMO_USER, label="user", owner_key=str(DEMO_USER)))

    def submit(
        self, format: Format = Format.CSV, dataset: str = "fct_transactions", request_id: str | None = None
    ) -> ExportJob:
        selection = Selection(start_date=date(2024, 1, 1)) if dataset == "fct_transactions" else Selection()
        wanted = dataset_id(dataset)
        return self.app.export_commands.submit(self.caller, wanted, format, selection, {}, request_id=request_id).job

    def run(self, job: ExportJob) -> ExecuteInProcessResult:
        """Materialise the partition as a run would."""
        return materialize(
            [dataset_export],
            partition_key=str(job.id),
            instance=self.instance,
            resources={"open_productions": open_productions, "export_io_manager": export_io_manager},
            raise_on_error=False,
        )

    def kept_check_results(self) -> int:
        """How many results of asset checks Dagster keeps."""
        counted = select(func.count()).select_from(AssetCheckExecutionsTable)
        with self.app.engine.connect().execution_options(schema_translate_map={None: SCHEMA}) as connection:
            return connection.scalar(counted) or 0

    def find(self, job: ExportJob) -> ExportJob:
        return self.app.export_reader.find(self.caller, job.id)


@pytest.fixture
def world(tmp_path: Path, database_url: str, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    demo = built_demo()
    settings = Settings(
        state_dir=tmp_path,
        warehouse=demo.warehouse,
        dbt_manifest=demo.manifest,
        database_url=database_url,
        disk_reserve_bytes=0,
    )
    for name, value in child_environment(settings, database_url).items():
        monkeypatch.setenv(name, value)
    home = tmp_path / "dagster"
    home.mkdir()
    shutil.copy(repository / "dagster.yaml", home)
    LocalArtifactStore(settings.artifact_root, max_bytes=1, reserve_bytes=0).prepare()
    application.cache_clear()
    app = application("worker")
    with DagsterInstance.get() as instance:
        yield World(app, instance)
    for process in ("worker", "sensor"):
        application(process).engine.dispose()
    application.cache_clear()


def test_a_partition_becomes_a_file_and_the_file_completes_the_export(world: World) -> None:
    job = world.submit(Format.PARQUET)
    assert world.instance.has_dynamic_partition("exports", str(job.id))
    assert world.run(job).success
    assert world.find(job).status is Status.RUNNING
    world.app.event_log_projection.catch_up()

    found = world.app.export_reader.open(world.caller, job.id)
    done, artifact = found.job, found.artifact
    with found.file:
        found.file.seek(0)
        content = found.file.read()
    assert done.status is Status.COMPLETED
    assert artifact.output_path == f"exports/{DEMO_USER}/{job.id}.parquet"
    assert hashlib.sha256(content).hexdigest() == artifact.sha256
    rows = pl.read_parquet(content)
    assert rows.height == artifact.row_count > 0
    assert rows["user_id"].unique().to_list() == [str(DEMO_USER)]
    assert rows["booking_date"].min() >= date(2024, 1, 1)  # type: ignore[operator]


def test_one_id_leads_from_the_request_to_the_run_the_log_and_the_file(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "analytics_exports")
    job = world.submit(Format.PARQUET, request_id="f00d")
    (launch,) = world.app.jobs.lease_pending(1, timedelta(seconds=1))
    assert _single_run(launch).tags[REQUEST_TAG] == "f00d"

    (event,) = world.run(job).get_asset_materialization_events()
    assert event.materialization.metadata["request_id"].value == "f00d"
    (line,) = [record for record in caplog.records if record.getMessage() == "export published"]
    assert vars(line)["request_id"] == "f00d"
    assert vars(line)["job_id"] == str(job.id)
    world.app.event_log_projection.catch_up()
    with world.app.export_reader.open(world.caller, job.id).file as file:
        assert b"f00d" in (pq.read_metadata(file).metadata or {}).values()


def test_the_materialisation_says_what_was_written(world: World) -> None:
    job = world.submit()
    (event,) = world.run(job).get_asset_materialization_events()
    metadata = event.materialization.metadata

    assert event.partition == str(job.id)
    assert {"path", "dagster/row_count", "file_size_bytes", "sha256", "schema", "data_as_of"} <= set(metadata)
    assert metadata["dataset"] == MetadataValue.text("fct_transactions")
    assert metadata["filters"] == MetadataValue.json({"start_date": "2024-01-01"})
    assert metadata["format"] == MetadataValue.text("csv")
    assert metadata["dataset_asset"] == MetadataValue.asset(dataset_key("fct_transactions"))
    assert metadata["status"] == MetadataValue.url(f"http://127.0.0.1:8000/api/analytics/exports/{job.id}")
    for plotted in ("duration_seconds", "rows_per_second"):
        assert isinstance(metadata[plotted].value, float)
    columns = metadata["dagster/column_schema"]
    assert isinstance(columns, TableSchemaMetadataValue)
    assert "user_id" in [column.name for column in columns.value.columns]


def test_rows_are_shown_only_if_a_setting_allows_it(world: World) -> None:
    def preview() -> MetadataValue | None:
        (event,) = world.run(world.submit()).get_asset_materialization_events()
        return event.materialization.metadata.get("preview")

    assert preview() is None
    world.app.settings = world.app.settings.model_copy(update={"dagster_preview": True})
    shown = preview()
    assert isinstance(shown, MarkdownMetadataValue)
    assert str(DEMO_USER) in shown.value


def test_every_export_is_checked_beside_its_materialisation(world: World) -> None:
    job = world.submit(Format.PARQUET)
    evaluations = world.run(job).get_asset_check_evaluations()

    assert {each.check_name: each.passed for each in evaluations} == dict.fromkeys(
        (ROW_COUNT, READABLE, OWNER_ONLY), True
    )
    assert all(each.metadata["export"] == MetadataValue.text(str(job.id)) for each in evaluations)


def test_the_launchpad_asks_as_the_api_does(world: World) -> None:
    def launch(**config: Any) -> ExecuteInProcessResult:
        run_config = {"ops": {"request": {"config": {"user": "user", "dataset": "fct_transactions", **config}}}}
        return request_export.execute_in_process(run_config, instance=world.instance, raise_on_error=False)

    done = launch(format="PARQUET", start_date="2024-01-01", numeric_filters={"amount": {"min": "-10.50"}})
    assert done.success
    (asked,) = world.app.jobs.list_for_user(world.caller.user_id, ExportFilter(), 10)
    assert (asked.status, asked.owner_key, asked.request.format) == (
        Status.PENDING,
        world.caller.owner_key,
        Format.PARQUET,
    )
    assert asked.request.selection == Selection(
        start_date=date(2024, 1, 1), numeric_filters=(NumericRange("amount", Decimal("-10.50")),)
    )
    assert world.instance.has_dynamic_partition("exports", str(asked.id))

    for wrong, said in (
        ({"user": "nobody"}, "No user fits"),
        ({"dataset": "nothing"}, "There is no such dataset"),
        ({"start_date": "tomorrow"}, "/start_date: "),
        ({"columns": ["secret"]}, "/columns/0: "),
    ):
        (failure,) = [event for event in launch(**wrong).all_events if event.is_step_failure]
        reason = failure.step_failure_data.user_failure_data
        assert reason is not None
        assert said in str(reason.description)
        assert "tomorrow" not in str(reason)
    assert len(world.app.jobs.list_for_user(world.caller.user_id, ExportFilter(), 10)) == 1


def test_the_launchpad_opens_with_a_configuration_that_is_valid() -> None:
    config = {"ops": {"request": {"config": EXAMPLE_CONFIG}}}

    assert validate_run_config(request_export, config)["ops"]["request"]["config"]["format"] == "csv"


def test_a_failed_run_says_why_and_shows_no_text_of_an_exception(world: World) -> None:
    job = world.submit()
    settings = world.app.settings.model_copy(update={"warehouse": Path("missing.duckdb")})
    without = Application(settings, "worker", engine=world.app.engine, catalogue=world.app.catalogue)
    world.app.__dict__["producer"] = without.producer
    result = world.run(job)

    failed = world.find(job)
    assert not result.success
    assert failed.status is Status.PENDING  # what is missing may come back
    assert failed.failure is not None
    assert failed.failure.code == "warehouse_unavailable"
    assert "missing.duckdb" not in str([event for event in result.all_events if event.is_failure])


def test_an_export_that_is_not_there_any_more_is_not_made(world: World) -> None:
    job = world.submit()
    world.app.export_commands.remove(world.caller, job.id)

    assert not world.run(job).success
    assert world.find(job).status is Status.CANCELLED


def test_a_completed_export_can_be_materialised_again(world: World) -> None:
    job = world.submit()
    for _ in range(2):
        assert world.run(job).success
        world.app.event_log_projection.catch_up()
        assert world.find(job).status is Status.COMPLETED


def test_the_rows_of_an_export_can_be_loaded_downstream(world: World) -> None:
    job = world.submit(Format.CSV, "dim_accounts")
    world.run(job)
    world.app.event_log_projection.catch_up()
    done = world.find(job)
    assert done.artifact is not None
    loaded = build_definitions().load_asset_value(
        "dataset_export", partition_key=str(job.id), instance=world.instance, python_type=pl.LazyFrame
    )

    assert isinstance(loaded, pl.LazyFrame)
    assert loaded.collect().height == done.artifact.row_count


def test_a_sensor_launches_what_is_pending_and_registers_its_partition(world: World) -> None:
    job = world.submit()
    world.app.orchestrator.delete_history([job.id])  # as if the API had died between the row and the partition
    sensor = build_definitions(launch_wait_seconds=0).get_repository_def().get_sensor_def("launch_exports_1")
    with world.app.pending_signal():  # another sensor, armed as well
        result = sensor(build_sensor_context(instance=world.instance))

    assert isinstance(result, SensorResult)
    assert [(run.partition_key, run.run_key) for run in result.run_requests or []] == [(str(job.id), f"{job.id}:1")]
    assert [request.partition_keys for request in result.dynamic_partitions_requests or []] == [[str(job.id)]]


def test_an_expired_export_loses_its_file_and_its_partition(world: World) -> None:
    job = world.submit()
    world.run(job)
    world.app.__dict__["event_log_projection"] = type(world.app.event_log_projection)(
        world.app.jobs, world.app.artifacts, world.app.orchestrator, timedelta(0), max_attempts=3
    )
    world.app.event_log_projection.catch_up()

    assert world.kept_check_results() == 3
    assert world.app.retention.expire() == 1
    assert not world.instance.has_dynamic_partition("exports", str(job.id))
    assert list(Path(world.app.settings.artifact_root).rglob("*.csv")) == []
    assert world.kept_check_results() == 0
    assert world.find(job).status is Status.EXPIRED


def test_somebody_else_cannot_open_the_file(world: World) -> None:
    job = world.submit()
    world.run(job)
    world.app.event_log_projection.catch_up()
    stranger: Principal = factories.principal(uuid4())

    assert world.app.jobs.find(stranger.user_id, job.id) is None


def test_operators_see_which_models_were_left_out_and_why(world: World) -> None:
    sound = datasets_are_offered()
    rejected = Rejection("fct_secret", "It has no owner column.")
    world.app.__dict__["catalogue"] = FakeCatalogue([factories.dataset()], [rejected])
    unsound = datasets_are_offered()

    assert isinstance(sound, AssetCheckResult)
    assert isinstance(unsound, AssetCheckResult)
    assert (sound.passed, sound.metadata["offered"]) == (True, MetadataValue.int(5))
    assert (unsound.passed, unsound.severity) == (False, AssetCheckSeverity.WARN)
    assert unsound.metadata["rejected"] == MetadataValue.json({"fct_secret": "It has no owner column."})
