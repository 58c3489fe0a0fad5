"""The services of sensors: launching exports, and the event log projection while no API runs it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

from dagster import DagsterInstance

from analytics_exports.bootstrap.adapters import database_url, make_artifact_store, pending_signal
from analytics_exports.database.engine import make_engine
from analytics_exports.database.jobs import PostgresJobStore
from analytics_exports.gateway.dagster_gateway import DagsterGateway
from analytics_exports.ports import Signal
from analytics_exports.services.event_log_projection import EventLogProjection
from analytics_exports.services.launch_planner import LaunchPlanner
from analytics_exports.services.launch_queue import LaunchQueue
from analytics_exports.settings import Settings

RETRY_SECONDS = 10
"""How long a sensor retries while PostgreSQL is away, in seconds: a tick has to end within Dagster's limit of 60."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorServices:
    """What sensors use.

    Attributes:
        pending_signal: Listens for pending exports inside a block.
        close: Closes the connections to PostgreSQL; they are opened again when needed.
    """

    launch_queue: LaunchQueue
    launch_planner: LaunchPlanner
    event_log_projection: EventLogProjection
    pending_signal: Callable[[], AbstractContextManager[Signal]]
    close: Callable[[], None]


def sensor_services(settings: Settings) -> SensorServices:
    """The services of sensors on the adapters that ``settings`` name."""
    retry_seconds = min(settings.lease_seconds, RETRY_SECONDS)
    engine = make_engine(database_url(settings), application="sensor")
    jobs, artifacts = PostgresJobStore(engine, retry_seconds), make_artifact_store(settings)
    orchestrator = DagsterGateway(engine, DagsterInstance.get, retry_seconds)
    queue = LaunchQueue(jobs, artifacts, orchestrator, settings.launch_ttl)
    return SensorServices(
        launch_queue=queue,
        launch_planner=LaunchPlanner(
            queue=queue,
            jobs=jobs,
            orchestrator=orchestrator,
            max_runs=settings.run_workers,
            max_single_runs=settings.burst_exports,
            max_batch_runs=settings.burst_runs,
        ),
        event_log_projection=EventLogProjection(
            jobs, artifacts, orchestrator, settings.retention, settings.max_attempts
        ),
        pending_signal=pending_signal(settings, retry_seconds),
        close=engine.dispose,
    )


@cache
def sensor_services_from_environment() -> SensorServices:
    """The services of sensors in this process, from the environment."""
    return sensor_services(Settings())
