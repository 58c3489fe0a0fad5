"""The assets: the warehouse that dbt builds, and the exports made from it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from dagster import (
    AssetCheckResult,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetsDefinition,
    AssetSpec,
    DagsterRun,
    DynamicPartitionsDefinition,
    Failure,
    MaterializeResult,
    MetadataValue,
    Output,
    asset,
)
from dagster._core.storage.tags import RUN_KEY_TAG

from analytics_exports.domain.export import JobId
from analytics_exports.gateway import EXPORT_ASSET, PARTITIONS
from analytics_exports.orchestration.checks import EXPORT_CHECKS, export_results
from analytics_exports.orchestration.lineage import OWNERS, TABLE, datasets

if TYPE_CHECKING:
    from analytics_exports.bootstrap.worker import WorkerServices

WAREHOUSE = "warehouse"

exports = DynamicPartitionsDefinition(name=PARTITIONS)
"""One partition for each export that has not expired. Its key is the job id."""


def warehouse_asset(models: Sequence[AssetSpec] = ()) -> AssetsDefinition:
    """The asset for the warehouse, which depends on the dbt models ``models``."""
    by_table = {spec.metadata[TABLE]: spec.key for spec in models}

    @asset(
        name=WAREHOUSE,
        group_name="warehouse",
        kinds={"dbt", "duckdb"},
        owners=OWNERS,
        deps=datasets(models),
        required_resource_keys={"worker"},
        description="The DuckDB file that dbt builds beside the live one and publishes by rename.",
    )
    def warehouse(context: AssetExecutionContext) -> MaterializeResult[None]:
        """Run dbt and publish what it built."""
        from dagster_duckdb import DuckDBResource

        worker: WorkerServices = context.resources.worker
        report = worker.build_warehouse()
        if report is None:
            raise Failure(
                "No dbt project is set; ANALYTICS_EXPORTS_DBT_PROJECT names the one to build.", allow_retries=False
            )
        with DuckDBResource(database=":memory:").get_connection() as connection:
            tables = worker.table_sizes(connection)
        _report_models(context, by_table, tables)
        return MaterializeResult(
            metadata={
                "tables": MetadataValue.json(tables),
                "invocation_id": report.invocation_id,
                "models": report.models,
                "tests": report.tests,
                "seconds": report.seconds,
                "warehouse_bytes": report.warehouse_bytes,
                "data_as_of": MetadataValue.timestamp(report.data_as_of),
            }
        )

    return warehouse


def _report_models(context: AssetExecutionContext, keys: Mapping[str, AssetKey], tables: Mapping[str, int]) -> None:
    """Log a materialisation with the row count for each dbt model that has a table."""
    for table, rows in tables.items():
        key = keys.get(table)
        if key is not None:
            context.log_event(AssetMaterialization(key, metadata={"dagster/row_count": rows}))


@asset(
    name=EXPORT_ASSET,
    group_name="exports",
    kinds={"duckdb", "polars"},
    owners=OWNERS,
    partitions_def=exports,
    deps=[WAREHOUSE],
    check_specs=EXPORT_CHECKS,
    io_manager_key="export_io_manager",
    required_resource_keys={"open_productions", "worker"},
    description="One export: the rows of one dataset that belong to one user, as a file. The partition is the job id.",
)
def dataset_export(context: AssetExecutionContext) -> Any:  # noqa: ANN401 - a type would load polars with definitions
    """Claim the export and open its rows, which the IO manager streams to a file; then check the file."""
    yield from _export(context)


def _export(context: AssetExecutionContext) -> Iterator[Output[Any] | AssetCheckResult]:
    job_id = JobId(UUID(context.partition_key))
    run = context.run
    worker: WorkerServices = context.resources.worker
    production = worker.producer.begin(job_id, run.run_id, remake=not _is_launched(run))
    context.resources.open_productions.callback(production.close)
    yield Output(production)
    if production.artifact is not None:
        yield from export_results(worker.inspector, production.job, production.artifact)


def _is_launched(run: DagsterRun) -> bool:
    """Whether a sensor launched the run: it may come late, and must not make a completed export again."""
    return RUN_KEY_TAG in run.tags and run.parent_run_id is None
