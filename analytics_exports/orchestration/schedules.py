"""Schedules: expiring what is old. Downloads of an expired export are refused at once; its file goes here."""

from dagster import DefaultScheduleStatus, ScheduleDefinition

from analytics_exports.orchestration.jobs import expire_exports

expiry_schedule = ScheduleDefinition(
    name="expire_old_exports",
    job=expire_exports,
    cron_schedule="*/10 * * * *",
    default_status=DefaultScheduleStatus.RUNNING,
    description="Removes files and partitions of expired exports.",
)
