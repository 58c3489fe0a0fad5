"""Dagster as it comes: a sensor that polls once a second, a process for each run, and another for each step.

The asset, the file it writes and the jobs table are those of the service, so that only the launch differs. Its instance
is ``naive.yaml``.
"""

from collections.abc import Iterator
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

from analytics_exports.bootstrap import application
from analytics_exports.orchestration.assets import dataset_export, exports, warehouse_asset
from analytics_exports.orchestration.io_managers import export_io_manager
from analytics_exports.orchestration.resources import open_productions

export_job = define_asset_job("export", selection=[dataset_export.key], executor_def=multiprocess_executor)
LAUNCH_TTL = timedelta(hours=1)


@sensor(job=export_job, minimum_interval_seconds=1, default_status=DefaultSensorStatus.RUNNING)
def poll() -> SensorResult:
    """Launch whatever is pending."""
    launches = application("sensor").jobs.lease_pending(100, LAUNCH_TTL)
    keys = [str(launch.job_id) for launch in launches]
    return SensorResult(
        run_requests=[
            RunRequest(launch.run_key, partition_key=key) for launch, key in zip(launches, keys, strict=True)
        ],
        dynamic_partitions_requests=[exports.build_add_request(keys)],
    )


@sensor(minimum_interval_seconds=1, default_status=DefaultSensorStatus.RUNNING)
def read_back() -> Iterator[RunRequest]:
    """Complete what was published; the API does so too, every two seconds, since there is no notification here."""
    application("sensor").event_log_projection.catch_up()
    yield from ()


defs = Definitions(
    assets=[warehouse_asset(), dataset_export],
    jobs=[export_job],
    sensors=[poll, read_back],
    resources={"open_productions": open_productions, "export_io_manager": export_io_manager},
)
