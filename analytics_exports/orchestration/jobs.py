"""Jobs: how the assets are run.

All run in one process each: the default executor would start another interpreter for every step, and a killed run would
leave its steps behind.
"""

from dagster import OpExecutionContext, define_asset_job, in_process_executor, job, op

from analytics_exports.bootstrap import application
from analytics_exports.gateway import EXPORT_ASSET
from analytics_exports.orchestration.partitions import exports

export_job = define_asset_job(
    "export",
    selection=[EXPORT_ASSET],
    partitions_def=exports,
    executor_def=in_process_executor,
    description="Makes one export: one partition of the export asset.",
)

warehouse_job = define_asset_job(
    "build_warehouse",
    selection=["warehouse"],
    executor_def=in_process_executor,
    description="Builds the warehouse with dbt and publishes it.",
)


@op(description="Removes files and partitions of exports that are past their time.")
def expire(context: OpExecutionContext) -> None:
    """One pass of the retention service."""
    removed = application("schedule").retention.expire()
    context.log.info("Removed %s expired exports.", removed)


@job(executor_def=in_process_executor, description="Expires exports that are past their time.")
def expire_exports() -> None:
    """The clean-up, run by a schedule."""
    expire()
