"""Exports through real Dagster in this process: real storage in PostgreSQL, real warehouse, real files."""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
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
    ExecuteInProcessResult,
    MarkdownMetadataValue,
    MetadataValue,
    TableSchemaMetadataValue,
    build_asset_check_context,
    materialize,
    validate_run_config,
)
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from sqlalchemy import func, insert, select

from analytics_exports.bootstrap.warehouse import export_warehouse
from analytics_exports.bootstrap.worker import WorkerServices
from analytics_exports.database.models import User
from analytics_exports.domain.access import Principal
from analytics_exports.domain.dataset import Rejection, dataset_id
from analytics_exports.domain.export import ExportFilter, ExportJob, Status
from analytics_exports.domain.formats import Format
from analytics_exports.domain.selection import NumericRange, Selection
from analytics_exports.gateway import SCHEMA
from analytics_exports.orchestration.assets import dataset_export
from analytics_exports.orchestration.build import RESOURCES, build_definitions
from analytics_exports.orchestration.checks import datasets_are_offered
from analytics_exports.orchestration.launchpad import EXAMPLE_CONFIG, request_export
from analytics_exports.orchestration.lineage import dataset_key
from analytics_exports.orchestration.sensors import REQUEST_TAG, _single_run
from analytics_exports.services.artifact_inspector import OWNER_ONLY, READABLE, ROW_COUNT
from analytics_exports_tests import factories
from analytics_exports_tests.deployment import Deployment, deployed
from analytics_exports_tests.fakes.catalogue import FakeCatalogue

DEMO_USER = UUID("44444444-4444-4444-8444-444444444444")


class World:
    """A deployment with one user."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.jobs, self.instance = deployment.jobs, deployment.instance
        self.caller = factories.principal(DEMO_USER)
        with deployment.engine.begin() as connection:
            connection.execute(insert(User).values(id=DEMO_USER, label="user", owner_key=str(DEMO_USER)))

    def submit(
        self, format: Format = Format.CSV, dataset: str = "fct_transactions", request_id: str | None = None
    ) -> ExportJob:
        selection = Selection(start_date=date(2024, 1, 1)) if dataset == "fct_transactions" else Selection()
        commands = self.deployment.api.export_commands
        return commands.submit(self.caller, dataset_id(dataset), format, selection, {}, request_id=request_id).job

    def run(self, job: ExportJob, **changes: Any) -> ExecuteInProcessResult:
        """Materialise the partition as a run would; ``changes`` replace services of its worker."""
        return materialize(
            [dataset_export],
            partition_key=str(job.id),
            instance=self.instance,
            resources={**RESOURCES, "worker": replace(self.deployment.worker, **changes)},
            raise_on_error=False,
        )

    def kept_check_results(self) -> int:
        """How many results of asset checks Dagster keeps."""
        counted = select(func.count()).select_from(AssetCheckExecutionsTable)
        with self.deployment.engine.connect().execution_options(schema_translate_map={None: SCHEMA}) as connection:
            return connection.scalar(counted) or 0

    def find(self, job: ExportJob) -> ExportJob:
        return self.deployment.api.export_reader.state(self.caller, job.id).job

    def project_events(self) -> None:
        self.deployment.project_events()


@pytest.fixture
def world(tmp_path: Path, database_url: str, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    with deployed(tmp_path, database_url, repository, monkeypatch) as deployment:
        yield World(deployment)


def test_a_partition_becomes_a_file_and_the_file_completes_the_export(world: World) -> None:
    job = world.submit(Format.PARQUET)
    assert world.instance.has_dynamic_partition("exports", str(job.id))
    assert world.run(job).success
    assert world.find(job).status is Status.RUNNING
    world.project_events()

    found = world.deployment.api.downloads.open(world.caller, job.id)
    done, artifact = found.job, found.artifact
    assert artifact.data_as_of == world.deployment.worker.warehouse.data_as_of()
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
    (launch,) = world.jobs.lease_pending(1, timedelta(seconds=1))
    assert _single_run(launch).tags[REQUEST_TAG] == "f00d"

    (event,) = world.run(job).get_asset_materialization_events()
    assert event.materialization.metadata["request_id"].value == "f00d"
    (line,) = [record for record in caplog.records if record.getMessage() == "export published"]
    assert vars(line)["request_id"] == "f00d"
    assert vars(line)["job_id"] == str(job.id)
    world.project_events()
    with world.deployment.api.downloads.open(world.caller, job.id).file as file:
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
    def preview(**changes: bool) -> MetadataValue | None:
        (event,) = world.run(world.submit(), **changes).get_asset_materialization_events()
        return event.materialization.metadata.get("preview")

    assert preview() is None
    shown = preview(preview=True)
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
        config = {"user": "user", "dataset": "fct_transactions", **config}
        return world.deployment.execute(request_export, config, raise_on_error=False)

    done = launch(format="parquet", start_date="2024-01-01", numeric_filters={"amount": {"min": "-10.50"}})
    assert done.success
    (asked,) = world.jobs.list_for_user(world.caller.user_id, ExportFilter(), 10)
    assert (asked.status, asked.owner_key, asked.request.format) == (
        Status.PENDING,
        world.caller.owner_key,
        Format.PARQUET,
    )
    assert asked.request.selection == Selection(
        start_date=date(2024, 1, 1), numeric_filters=(NumericRange("amount", Decimal("-10.50")),)
    )
    assert world.instance.has_dynamic_partition("exports", str(asked.id))

    assert launch(format="XLSX", xlsx={"rows_per_sheet": 1000}, split={"rows": 1000}, timezone="Europe/Berlin").success
    (newest, _) = world.jobs.list_for_user(world.caller.user_id, ExportFilter(), 10)
    assert newest.request.format is Format.XLSX
    assert newest.request.options["timezone"] == "Europe/Berlin"

    for wrong, said in (
        ({"csv": {"nothing": 1}}, "/csv/nothing: "),
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
    assert len(world.jobs.list_for_user(world.caller.user_id, ExportFilter(), 10)) == 2


def test_the_launchpad_opens_with_a_configuration_that_is_valid() -> None:
    config = {"ops": {"request": {"config": EXAMPLE_CONFIG}}}

    assert validate_run_config(request_export, config)["ops"]["request"]["config"]["format"] == "csv"


def test_a_failed_run_says_why_and_shows_no_text_of_an_exception(world: World) -> None:
    job = world.submit()
    missing = export_warehouse(world.deployment.settings.model_copy(update={"warehouse": Path("missing.duckdb")}))
    result = world.run(job, producer=replace(world.deployment.worker.producer, warehouse=missing))

    failed = world.find(job)
    assert not result.success
    assert failed.status is Status.PENDING  # what is missing may come back
    assert failed.failure is not None
    assert failed.failure.code == "warehouse_unavailable"
    assert "missing.duckdb" not in str([event for event in result.all_events if event.is_failure])


def test_an_export_that_is_not_there_any_more_is_not_made(world: World) -> None:
    job = world.submit()
    world.deployment.api.export_commands.remove(world.caller, job.id)

    assert not world.run(job).success
    assert world.find(job).status is Status.CANCELLED


def test_a_completed_export_can_be_materialised_again(world: World) -> None:
    job = world.submit()
    for _ in range(2):
        assert world.run(job).success
        world.project_events()
        assert world.find(job).status is Status.COMPLETED


def test_the_rows_of_an_export_can_be_loaded_downstream(world: World) -> None:
    job = world.submit(Format.CSV, "dim_accounts")
    world.run(job)
    world.project_events()
    done = world.find(job)
    assert done.artifact is not None
    definitions = build_definitions(resources={"worker": world.deployment.worker})
    loaded = definitions.load_asset_value(
        "dataset_export", partition_key=str(job.id), instance=world.instance, python_type=pl.LazyFrame
    )

    assert isinstance(loaded, pl.LazyFrame)
    assert loaded.collect().height == done.artifact.row_count


def test_a_sensor_launches_what_is_pending_and_registers_its_partition(world: World) -> None:
    job = world.submit()
    world.deployment.adapters.orchestrator.delete_history([job.id])  # as if the API had died before it was added
    repository = build_definitions(launch_wait_seconds=0).get_repository_def()
    with world.deployment.sensor.pending_signal():  # another sensor, armed as well
        runs, _ = world.deployment.tick(repository)

    assert [(run.partition_key, run.run_key) for run in runs] == [(str(job.id), f"{job.id}:1")]
    assert world.instance.has_dynamic_partition("exports", str(job.id))


def test_an_expired_export_loses_its_file_and_its_partition(world: World) -> None:
    job = world.submit()
    world.run(job)
    replace(world.deployment.api.event_log_projection, retention=timedelta(0)).catch_up()

    assert world.kept_check_results() == 3
    assert world.deployment.worker.retention.expire() == 1
    assert not world.instance.has_dynamic_partition("exports", str(job.id))
    assert list(Path(world.deployment.settings.artifact_root).rglob("*.csv")) == []
    assert world.kept_check_results() == 0
    assert world.find(job).status is Status.EXPIRED


def test_somebody_else_cannot_open_the_file(world: World) -> None:
    job = world.submit()
    world.run(job)
    world.project_events()
    stranger: Principal = factories.principal(uuid4())

    assert world.jobs.find(stranger.user_id, job.id) is None


def test_operators_see_which_models_were_left_out_and_why(world: World) -> None:
    def check(worker: WorkerServices) -> object:
        return datasets_are_offered(build_asset_check_context(resources={"worker": worker}))

    rejected = Rejection("fct_secret", "It has no owner column.")
    catalogue = FakeCatalogue([factories.dataset()], [rejected])
    sound = check(world.deployment.worker)
    unsound = check(replace(world.deployment.worker, catalogue=catalogue))

    assert isinstance(sound, AssetCheckResult)
    assert isinstance(unsound, AssetCheckResult)
    assert (sound.passed, sound.metadata["offered"]) == (True, MetadataValue.int(5))
    assert (unsound.passed, unsound.severity) == (False, AssetCheckSeverity.WARN)
    assert unsound.metadata["rejected"] == MetadataValue.json({"fct_secret": "It has no owner column."})
