"""Schedules: expiring exports and sweeping files.

Downloads of an expired export are refused before its file is removed.
"""

from dagster import DefaultScheduleStatus, ScheduleDefinition

from analytics_exports.orchestration.jobs import expire_exports, sweep_files

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
