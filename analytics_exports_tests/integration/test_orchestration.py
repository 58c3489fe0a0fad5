"""Exports through real Dagster in this process: real storage in PostgreSQL, real warehouse, real files."""

import hashlib
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
    validate_run_config,
)
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from sqlalchemy import func, select

from analytics_exports.bootstrap.warehouse import export_warehouse
from analytics_exports.bootstrap.worker import WorkerServices
from analytics_exports.domain.access import Principal
from analytics_exports.domain.dataset import Rejection, dataset_id
from analytics_exports.domain.export import ExportFilter, ExportJob, Status
from analytics_exports.domain.formats import Format
from analytics_exports.domain.selection import NumericRange, Selection
from analytics_exports.gateway import SCHEMA
from analytics_exports.orchestration.build import build_definitions
from analytics_exports.orchestration.checks import datasets_are_offered
from analytics_exports.orchestration.launchpad import EXAMPLE_CONFIG, request_export
from analytics_exports.orchestration.lineage import dataset_key
from analytics_exports.orchestration.sensors import REQUEST_TAG, _single_run
from analytics_exports.services.artifact_inspector import OWNER_ONLY, READABLE, ROW_COUNT
from analytics_exports_tests import factories
from analytics_exports_tests.deployment import Deployment
from analytics_exports_tests.fakes.catalogue import FakeCatalogue

DEMO_USER = UUID("44444444-4444-4444-8444-444444444444")


@pytest.fixture
def caller(deployment: Deployment) -> Principal:
    return deployment.user(DEMO_USER)


def submit(
    deployment: Deployment,
    caller: Principal,
    format: Format = Format.CSV,
    dataset: str = "fct_transactions",
    request_id: str | None = None,
) -> ExportJob:
    selection = Selection(start_date=date(2024, 1, 1)) if dataset == "fct_transactions" else Selection()
    commands = deployment.api.export_commands
    return commands.submit(caller, dataset_id(dataset), format, selection, {}, request_id=request_id).job


def kept_check_results(deployment: Deployment) -> int:
    """How many results of asset checks Dagster keeps."""
    counted = select(func.count()).select_from(AssetCheckExecutionsTable)
    with deployment.engine.connect().execution_options(schema_translate_map={None: SCHEMA}) as connection:
        return connection.scalar(counted) or 0


def test_a_partition_becomes_a_file_and_the_file_completes_the_export(
    deployment: Deployment, caller: Principal
) -> None:
    job = submit(deployment, caller, Format.PARQUET)
    assert deployment.instance.has_dynamic_partition("exports", str(job.id))
    assert deployment.materialise(job).success
    assert deployment.job(job.id).status is Status.RUNNING
    deployment.project_events()

    found = deployment.api.downloads.open(caller, job.id)
    done, artifact = found.job, found.artifact
    assert artifact.data_as_of == deployment.worker.warehouse.data_as_of()
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
    deployment: Deployment, caller: Principal, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "analytics_exports")
    job = submit(deployment, caller, Format.PARQUET, request_id="f00d")
    (launch,) = deployment.jobs.lease_pending(1, timedelta(seconds=1))
    assert _single_run(launch).tags[REQUEST_TAG] == "f00d"

    (event,) = deployment.materialise(job).get_asset_materialization_events()
    assert event.materialization.metadata["request_id"].value == "f00d"
    (line,) = [record for record in caplog.records if record.getMessage() == "export published"]
    assert vars(line)["request_id"] == "f00d"
    assert vars(line)["job_id"] == str(job.id)
    deployment.project_events()
    with deployment.api.downloads.open(caller, job.id).file as file:
        assert b"f00d" in (pq.read_metadata(file).metadata or {}).values()


def test_the_materialisation_says_what_was_written(deployment: Deployment, caller: Principal) -> None:
    job = submit(deployment, caller)
    (event,) = deployment.materialise(job).get_asset_materialization_events()
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


def test_rows_are_shown_only_if_a_setting_allows_it(deployment: Deployment, caller: Principal) -> None:
    def preview(**changes: bool) -> MetadataValue | None:
        (event,) = deployment.materialise(submit(deployment, caller), **changes).get_asset_materialization_events()
        return event.materialization.metadata.get("preview")

    assert preview() is None
    shown = preview(preview=True)
    assert isinstance(shown, MarkdownMetadataValue)
    assert str(DEMO_USER) in shown.value


def test_every_export_is_checked_beside_its_materialisation(deployment: Deployment, caller: Principal) -> None:
    job = submit(deployment, caller, Format.PARQUET)
    evaluations = deployment.materialise(job).get_asset_check_evaluations()

    assert {each.check_name: each.passed for each in evaluations} == dict.fromkeys(
        (ROW_COUNT, READABLE, OWNER_ONLY), True
    )
    assert all(each.metadata["export"] == MetadataValue.text(str(job.id)) for each in evaluations)


def test_the_launchpad_asks_as_the_api_does(deployment: Deployment, caller: Principal) -> None:
    def launch(**config: Any) -> ExecuteInProcessResult:
        config = {"user": "user", "dataset": "fct_transactions", **config}
        return deployment.execute(request_export, config, raise_on_error=False)

    done = launch(format="parquet", start_date="2024-01-01", numeric_filters={"amount": {"min": "-10.50"}})
    assert done.success
    (asked,) = deployment.jobs.list_for_user(caller.user_id, ExportFilter(), 10)
    assert (asked.status, asked.owner_key, asked.request.format) == (
        Status.PENDING,
        caller.owner_key,
        Format.PARQUET,
    )
    assert asked.request.selection == Selection(
        start_date=date(2024, 1, 1), numeric_filters=(NumericRange("amount", Decimal("-10.50")),)
    )
    assert deployment.instance.has_dynamic_partition("exports", str(asked.id))

    assert launch(format="XLSX", xlsx={"rows_per_sheet": 1000}, split={"rows": 1000}, timezone="Europe/Berlin").success
    (newest, _) = deployment.jobs.list_for_user(caller.user_id, ExportFilter(), 10)
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
    assert len(deployment.jobs.list_for_user(caller.user_id, ExportFilter(), 10)) == 2


def test_the_launchpad_opens_with_a_configuration_that_is_valid() -> None:
    config = {"ops": {"request": {"config": EXAMPLE_CONFIG}}}

    assert validate_run_config(request_export, config)["ops"]["request"]["config"]["format"] == "csv"


def test_a_failed_run_says_why_and_shows_no_text_of_an_exception(deployment: Deployment, caller: Principal) -> None:
    job = submit(deployment, caller)
    missing = export_warehouse(deployment.settings.model_copy(update={"warehouse": Path("missing.duckdb")}))
    result = deployment.materialise(job, producer=replace(deployment.worker.producer, warehouse=missing))

    failed = deployment.job(job.id)
    assert not result.success
    assert failed.status is Status.PENDING  # what is missing may come back
    assert failed.failure is not None
    assert failed.failure.code == "warehouse_unavailable"
    assert "missing.duckdb" not in str([event for event in result.all_events if event.is_failure])


def test_an_export_that_is_not_there_any_more_is_not_made(deployment: Deployment, caller: Principal) -> None:
    job = submit(deployment, caller)
    deployment.api.export_commands.remove(caller, job.id)

    assert not deployment.materialise(job).success
    assert deployment.job(job.id).status is Status.CANCELLED


def test_a_completed_export_can_be_materialised_again(deployment: Deployment, caller: Principal) -> None:
    job = submit(deployment, caller)
    for _ in range(2):
        assert deployment.materialise(job).success
        deployment.project_events()
        assert deployment.job(job.id).status is Status.COMPLETED


def test_the_rows_of_an_export_can_be_loaded_downstream(deployment: Deployment, caller: Principal) -> None:
    job = submit(deployment, caller, Format.CSV, "dim_accounts")
    deployment.materialise(job)
    deployment.project_events()
    done = deployment.job(job.id)
    assert done.artifact is not None
    definitions = build_definitions(resources={"worker": deployment.worker})
    loaded = definitions.load_asset_value(
        "dataset_export", partition_key=str(job.id), instance=deployment.instance, python_type=pl.LazyFrame
    )

    assert isinstance(loaded, pl.LazyFrame)
    assert loaded.collect().height == done.artifact.row_count


def test_a_sensor_launches_what_is_pending_and_registers_its_partition(
    deployment: Deployment, caller: Principal
) -> None:
    job = submit(deployment, caller)
    deployment.adapters.orchestrator.delete_history([job.id])  # as if the API had died before it was added
    repository = build_definitions(launch_wait_seconds=0).get_repository_def()
    with deployment.sensor.pending_signal():  # another sensor, armed as well
        runs, _ = deployment.tick(repository)

    assert [(run.partition_key, run.run_key) for run in runs] == [(str(job.id), f"{job.id}:1")]
    assert deployment.instance.has_dynamic_partition("exports", str(job.id))


def test_an_expired_export_loses_its_file_and_its_partition(deployment: Deployment, caller: Principal) -> None:
    job = submit(deployment, caller)
    deployment.materialise(job)
    replace(deployment.api.event_log_projection, retention=timedelta(0)).catch_up()

    assert kept_check_results(deployment) == 3
    assert deployment.worker.retention.expire() == 1
    assert not deployment.instance.has_dynamic_partition("exports", str(job.id))
    assert list(Path(deployment.settings.artifact_root).rglob("*.csv")) == []
    assert kept_check_results(deployment) == 0
    assert deployment.job(job.id).status is Status.EXPIRED


def test_somebody_else_cannot_open_the_file(deployment: Deployment, caller: Principal) -> None:
    job = submit(deployment, caller)
    deployment.materialise(job)
    deployment.project_events()
    stranger: Principal = factories.principal(uuid4())

    assert deployment.jobs.find(stranger.user_id, job.id) is None


def test_operators_see_which_models_were_left_out_and_why(deployment: Deployment) -> None:
    def check(worker: WorkerServices) -> object:
        return datasets_are_offered(build_asset_check_context(resources={"worker": worker}))

    rejected = Rejection("fct_secret", "It has no owner column.")
    catalogue = FakeCatalogue([factories.dataset()], [rejected])
    sound = check(deployment.worker)
    unsound = check(replace(deployment.worker, catalogue=catalogue))

    assert isinstance(sound, AssetCheckResult)
    assert isinstance(unsound, AssetCheckResult)
    assert (sound.passed, sound.metadata["offered"]) == (True, MetadataValue.int(5))
    assert (unsound.passed, unsound.severity) == (False, AssetCheckSeverity.WARN)
    assert unsound.metadata["rejected"] == MetadataValue.json({"fct_secret": "It has no owner column."})
