"""Sensors: launching what is pending, and the read-back's safety net.

Dagster starts a sensor at most every five seconds. Several identical launch sensors whose tick waits for PostgreSQL to
announce work are therefore armed in turn: one of them always answers at once.
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
from analytics_exports.orchestration.drain import drain_exports
from analytics_exports.orchestration.jobs import export_job
from analytics_exports.orchestration.partitions import exports
from analytics_exports.orchestration.ticks import TickSequence
from analytics_exports.orchestration.warm.coordinator import submit_overlooked

REQUEST_TAG = "analytics_exports/request_id"
"""Tag of a run for one export: the HTTP request that asked for it."""


def launch_sensor(number: int, wait_seconds: float) -> SensorDefinition:
    """One of the sensors that wait for exports to launch."""
    ticks = TickSequence()

    @sensor(
        name=f"launch_exports_{number}",
        jobs=[export_job, drain_exports],
        minimum_interval_seconds=1,
        default_status=DefaultSensorStatus.RUNNING,
        description="Waits for pending exports and materialises their partitions.",
    )
    def launch(context: SensorEvaluationContext) -> SensorResult | SkipReason:
        app = application("sensor")
        tick, lost = ticks.begin(context.cursor)
        if lost:
            app.jobs.release(lost)
        with app.pending_signal() as signal:
            plan = app.launching.wait(signal, wait_seconds, lambda: ticks.is_over(tick))
        if not plan.launches:
            return SkipReason("No export is pending.")
        if not ticks.take(tick, plan.launches):
            app.jobs.release(plan.launches)
            return SkipReason("The next tick has begun.")
        return SensorResult(
            cursor=tick.cursor,
            run_requests=[*map(_single, plan.singles), *map(_drain, plan.shares)],
            dynamic_partitions_requests=[exports.build_add_request([str(launch.job_id) for launch in plan.launches])],
        )

    return launch


@sensor(
    minimum_interval_seconds=15,
    default_status=DefaultSensorStatus.RUNNING,
    description="Reads the event log back onto the jobs table while no API does.",
)
def read_back(context: SensorEvaluationContext) -> SkipReason:
    """The same pass that the API makes on each event; and a look for runs that wait though no run worker has them."""
    application("sensor").readback.follow()
    submit_overlooked(context.instance)
    return SkipReason("The jobs table is up to date.")


def _single(launch: Launch) -> RunRequest:
    """The partition may have been registered by the API already; adding it again changes nothing."""
    tags = {REQUEST_TAG: launch.request_id} if launch.request_id else {}
    return RunRequest(job_name=export_job.name, run_key=launch.run_key, partition_key=str(launch.job_id), tags=tags)


def _drain(share: Sequence[Launch]) -> RunRequest:
    return RunRequest(
        job_name=drain_exports.name,
        run_config={"ops": {"drain": {"config": {"launches": [launch.run_key for launch in share]}}}},
    )
