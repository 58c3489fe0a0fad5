"""Sensors: launching pending exports, and running the event log projection while no API does.

Dagster starts a sensor at most every five seconds. There are therefore several identical launch sensors, each of whose
ticks waits for a notification of PostgreSQL: one of them is always ready to respond at once.
"""

from collections.abc import Sequence

from dagster import (
    DefaultSensorStatus,
    RunRequest,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from analytics_exports.bootstrap import application
from analytics_exports.domain.export import Launch
from analytics_exports.orchestration.assets import exports
from analytics_exports.orchestration.batch import batch_job, export_pending
from analytics_exports.orchestration.jobs import export_job
from analytics_exports.orchestration.ticks import TickSequence
from analytics_exports.orchestration.warm.coordinator import resubmit_queued

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
    )
    def launch(context: SensorEvaluationContext) -> SensorResult | SkipReason:
        app = application("sensor")
        tick, lost = ticks.begin(context.cursor)
        if lost:
            app.jobs.unlease(lost)
        with app.pending_signal() as signal:
            plan = app.launch_planner.wait(signal, wait_seconds, lambda: ticks.is_over(tick))
        if not plan.launches:
            return SkipReason("No export is pending.")
        if not ticks.record(tick, plan.launches):
            app.jobs.unlease(plan.launches)
            return SkipReason("The next tick has begun.")
        return SensorResult(
            cursor=tick.cursor,
            run_requests=[*map(_single_run, plan.single_runs), *map(_batch_run, plan.batch_runs)],
            dynamic_partitions_requests=[exports.build_add_request([str(launch.job_id) for launch in plan.launches])],
        )

    return launch


@sensor(
    minimum_interval_seconds=15,
    default_status=DefaultSensorStatus.RUNNING,
    description="Projects the event log onto the jobs table while no API does.",
)
def read_back(context: SensorEvaluationContext) -> SkipReason:
    """Run the event log projection once, and resubmit runs that are queued although the pool does not have them."""
    application("sensor").event_log_projection.catch_up()
    resubmit_queued(context.instance)
    return SkipReason("The jobs table is up to date.")


def _single_run(launch: Launch) -> RunRequest:
    """A run for one export. The API may have added the partition already; adding it again has no effect."""
    tags = {REQUEST_TAG: launch.request_id} if launch.request_id else {}
    return RunRequest(job_name=export_job.name, run_key=launch.run_key, partition_key=str(launch.job_id), tags=tags)


def _batch_run(batch: Sequence[Launch]) -> RunRequest:
    return RunRequest(
        job_name=batch_job.name,
        run_config={"ops": {export_pending.name: {"config": {"run_keys": [launch.run_key for launch in batch]}}}},
    )
