"""The resources of runs and sensors: the services of their process, and the productions of one run."""

from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

from dagster import InitResourceContext, resource

from analytics_exports.domain.errors import ExportError

if TYPE_CHECKING:
    from analytics_exports.bootstrap.sensor import SensorServices
    from analytics_exports.bootstrap.worker import WorkerServices


@resource(description="The services of sensors; they last as long as the process.")
def sensor_resource() -> "SensorServices":
    """The services of sensors in this process, made for the first tick."""
    from analytics_exports.bootstrap.sensor import sensor_services_from_environment  # loads psycopg

    return sensor_services_from_environment()


@resource(description="The services of run workers; they last as long as the process.")
def worker_resource() -> "WorkerServices":
    """The services of run workers in this process, made for the first run."""
    from analytics_exports.bootstrap.worker import worker_services_from_environment  # loads DuckDB and Polars

    return worker_services_from_environment()


@resource(description="Closes the productions that an interrupted run leaves open.", required_resource_keys={"worker"})
def open_productions(context: InitResourceContext) -> Iterator[ExitStack]:
    """A stack that is closed when the run ends. Until then the warehouse stays open for the asset checks."""
    with context.resources.worker.warehouse.keep_alive(), ExitStack() as productions:
        yield productions


def warm_up() -> None:
    """Load what the first run of a process would otherwise wait for: the catalogue, connections, the artifact store."""
    from analytics_exports.bootstrap.worker import worker_services_from_environment

    services = worker_services_from_environment()
    with suppress(ExportError):
        services.catalogue.state()
        services.artifacts.check()
        services.jobs.read_cursor("warm-up")
