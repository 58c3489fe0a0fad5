"""Dagster as it comes: a sensor that polls once a second, a process for each run, and another for each step.

The asset, the file it writes and the jobs table are those of the service, so that only the launch differs. Its instance
is ``naive.yaml``.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

from dagster import (
    DefaultSensorStatus,
    Definitions,
    RunRequest,
    SensorResult,
    define_asset_job,
    multiprocess_executor,
    sensor,
)

from analytics_exports.bootstrap.sensor import sensor_services_from_environment
from analytics_exports.orchestration.assets import dataset_export, warehouse_asset
from analytics_exports.orchestration.build import RESOURCES

export_job = define_asset_job("export", selection=[dataset_export.key], executor_def=multiprocess_executor)
LAUNCH_TTL = timedelta(hours=1)


@sensor(job=export_job, minimum_interval_seconds=1, default_status=DefaultSensorStatus.RUNNING)
def poll() -> SensorResult:
    """Launch whatever is pending."""
    launches = replace(sensor_services_from_environment().launch_queue, ttl=LAUNCH_TTL).lease(100)
    return SensorResult(
        run_requests=[RunRequest(launch.run_key, partition_key=str(launch.job_id)) for launch in launches]
    )


@sensor(minimum_interval_seconds=1, default_status=DefaultSensorStatus.RUNNING)
def read_back() -> Iterator[RunRequest]:
    """Complete what was published; the API does so too, every two seconds, since there is no notification here."""
    sensor_services_from_environment().event_log_projection.catch_up()
    yield from ()


defs = Definitions(
    assets=[warehouse_asset(), dataset_export],
    jobs=[export_job],
    sensors=[poll, read_back],
    resources=RESOURCES,
)
