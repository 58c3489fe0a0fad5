"""The jobs that run the assets, expire exports and sweep files, and the schedules of the last two.

All use the in-process executor: Dagster's default would start another interpreter for each step, which is slow, and a
killed run would leave its step processes behind.
"""

from dagster import (
    DefaultScheduleStatus,
    OpExecutionContext,
    ScheduleDefinition,
    define_asset_job,
    in_process_executor,
    job,
    op,
)

from analytics_exports.gateway import EXPIRY_JOB, EXPORT_ASSET, EXPORT_JOB, SWEEP_JOB

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


@op(description="Removes files and partitions of exports that are past their time.", required_resource_keys={"worker"})
def expire(context: OpExecutionContext) -> None:
    """Run one pass of the retention service."""
    removed = context.resources.worker.retention.expire()
    context.log.info("Removed %s expired exports.", removed)


@job(name=EXPIRY_JOB, executor_def=in_process_executor, description="Expires exports that are past their time.")
def expire_exports() -> None:
    """Expire exports; run by a schedule."""
    expire()


@op(
    description="Removes files of attempts that are over and of exports that are gone.",
    required_resource_keys={"worker"},
)
def sweep(context: OpExecutionContext) -> None:
    """Check every file of the store."""
    removed = context.resources.worker.retention.sweep()
    context.log.info("Removed %s leftover files.", removed)


@job(name=SWEEP_JOB, executor_def=in_process_executor, description="Removes files that killed workers left behind.")
def sweep_files() -> None:
    """Remove leftover files; run by a schedule."""
    sweep()


expiry_schedule = ScheduleDefinition(
    name="expire_old_exports",
    job=expire_exports,
    cron_schedule="*/10 * * * *",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Removes files and partitions of expired exports.",
)

sweep_schedule = ScheduleDefinition(
    name="sweep_files_left_behind",
    job=sweep_files,
    cron_schedule="17 * * * *",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Removes files that killed workers left behind.",
)
