"""The assets: the warehouse that dbt builds, and the exports made from it."""

from typing import Any

from dagster import AssetExecutionContext, Failure, MaterializeResult, MetadataValue, asset

from analytics_exports.bootstrap import application
from analytics_exports.gateway import EXPORT_ASSET
from analytics_exports.orchestration.partitions import exports


@asset(
    group_name="warehouse",
    kinds={"dbt", "duckdb"},
    description="The DuckDB file that dbt builds beside the live one and publishes by rename.",
)
def warehouse() -> MaterializeResult[None]:
    """Run dbt and publish what it built."""
    from dagster_duckdb import DuckDBResource

    from analytics_exports.warehouse.contents import table_sizes

    app = application("worker")
    report = app.build_warehouse()
    if report is None:
        raise Failure(
            "No dbt project is set; ANALYTICS_EXPORTS_DBT_PROJECT names the one to build.", allow_retries=False
        )
    with DuckDBResource(database=":memory:").get_connection() as connection:
        tables = table_sizes(connection, app.settings.warehouse)
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


@asset(
    name=EXPORT_ASSET,
    group_name="exports",
    kinds={"duckdb", "polars"},
    partitions_def=exports,
    deps=[warehouse],
    io_manager_key="export_io_manager",
    required_resource_keys={"desk"},
    description="One export: the rows of one dataset that belong to one user, as a file. The partition is the job id.",
)
def dataset_export(context: AssetExecutionContext) -> Any:  # noqa: ANN401 - a type would load polars with definitions
    """The rows of the export as a LazyFrame, not yet read: the IO manager streams them."""
    return context.resources.desk.begin(context.partition_key).frame
