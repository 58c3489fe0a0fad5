"""Sensors: launching pending exports, and running the event log projection while no API does.

Dagster starts a sensor at most every five seconds. There are therefore several identical launch sensors, each of whose
ticks waits for a notification of PostgreSQL: one of them is always ready to respond at once.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dagster import (
    DefaultSensorStatus,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from analytics_exports.domain.export import Launch
from analytics_exports.orchestration.batch import batch_job, export_pending
from analytics_exports.orchestration.jobs import export_job
from analytics_exports.orchestration.ticks import TickSequence
from analytics_exports.orchestration.warm.coordinator import resubmit_queued

if TYPE_CHECKING:
    from analytics_exports.bootstrap.sensor import SensorServices

REQUEST_TAG = "analytics_exports/request_id"
"""Tag of the run of a single export: the id of the HTTP request that asked for it."""


def launch_sensor(number: int, wait_seconds: float) -> SensorDefinition:
    """One of the identical sensors that launch pending exports."""
    ticks = TickSequence()

    @sensor(
        name=f"launch_exports_{number}",
        jobs=[export_job, batch_job],
        minimum_interval_seconds=1,
        default_status=DefaultSensorStatus.RUNNING,
        description="Waits for pending exports and materialises their partitions.",
        required_resource_keys={"sensor"},
    )
    def launch(context: SensorEvaluationContext) -> SensorResult | SkipReason:
        services: SensorServices = context.resources.sensor
        tick, lost = ticks.begin(context.cursor)
        if lost:
            services.launch_queue.unlease(lost)
        with services.pending_signal() as signal:
            plan = services.launch_planner.wait(signal, wait_seconds, lambda: ticks.is_over(tick))
        if not plan.launches:
            return SkipReason("No export is pending.")
        if not ticks.record(tick, plan.launches):
            services.launch_queue.unlease(plan.launches)
            return SkipReason("The next tick has begun.")
        return SensorResult(
            cursor=tick.cursor,
            run_requests=[*map(_single_run, plan.single_runs), *map(_batch_run, plan.batch_runs)],
        )

    return launch


@sensor(
    minimum_interval_seconds=15,
    default_status=DefaultSensorStatus.RUNNING,
    description="Projects the event log onto the jobs table while no API does.",
    required_resource_keys={"sensor"},
)
def read_back(context: SensorEvaluationContext) -> SkipReason:
    """Run the event log projection once, and resubmit runs that are queued although the pool does not have them."""
    context.resources.sensor.event_log_projection.catch_up()
    resubmit_queued(context.instance)
    return SkipReason("The jobs table is up to date.")


def _single_run(launch: Launch) -> RunRequest:
    """A run for one export."""
    tags = {REQUEST_TAG: launch.request_id} if launch.request_id else {}
    return RunRequest(job_name=export_job.name, run_key=launch.run_key, partition_key=str(launch.job_id), tags=tags)


def _batch_run(batch: Sequence[Launch]) -> RunRequest:
    return RunRequest(
        job_name=batch_job.name,
        run_config={"ops": {export_pending.name: {"config": {"run_keys": [launch.run_key for launch in batch]}}}},
    )
