"""Jobs: how the assets are run.

All run in one process each: the default executor would start another interpreter for every step, and a killed run would
leave its steps behind.
"""

from dagster import OpExecutionContext, define_asset_job, in_process_executor, job, op

from analytics_exports.bootstrap import application
from analytics_exports.gateway import EXPIRY_JOB, EXPORT_ASSET, EXPORT_JOB

export_job = define_asset_job(
    EXPORT_JOB,
    selection=[EXPORT_ASSET],
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


@job(name=EXPIRY_JOB, executor_def=in_process_executor, description="Expires exports that are past their time.")
def expire_exports() -> None:
    """The clean-up, run by a schedule."""
    expire()
