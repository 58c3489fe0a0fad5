"""The services of a run worker: making exports, building the warehouse, and what other runs do."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from dagster import DagsterInstance

from analytics_exports.artifacts.counting import count_foreign_rows
from analytics_exports.artifacts.formats import check_options
from analytics_exports.artifacts.writing import read_file
from analytics_exports.bootstrap.adapters import database_url, make_artifact_store, pending_signal
from analytics_exports.bootstrap.warehouse import build, export_warehouse, make_catalogue
from analytics_exports.database.directory import PostgresDirectory
from analytics_exports.database.engine import make_engine
from analytics_exports.database.jobs import PostgresJobStore
from analytics_exports.database.users import PostgresUserStore
from analytics_exports.gateway.dagster_gateway import DagsterGateway
from analytics_exports.ports import ArtifactStore, BuildReport, Catalogue, JobStore, Signal, Warehouse
from analytics_exports.services.artifact_inspector import ArtifactInspector
from analytics_exports.services.batch_production import BatchProduction
from analytics_exports.services.datasets import DatasetReader
from analytics_exports.services.export_commands import ExportCommands, OperatorRequests
from analytics_exports.services.launch_queue import LaunchQueue
from analytics_exports.services.production import Producer
from analytics_exports.services.retention import Retention
from analytics_exports.settings import Settings
from analytics_exports.warehouse.build import table_sizes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerServices:
    """What runs use.

    Attributes:
        api_url: The URL of the API, for links in Dagster.
        preview: Whether Dagster may show the first rows of an export.
        build_warehouse: Builds the warehouse and publishes it; returns ``None`` when no dbt project is set.
        table_sizes: Counts the rows of each table of the warehouse, by way of any DuckDB connection.
        pending_signal: Listens for pending exports inside a block.
        close: Closes the connections to PostgreSQL; they are opened again when needed.
    """

    api_url: str
    preview: bool
    catalogue: Catalogue
    warehouse: Warehouse
    jobs: JobStore
    artifacts: ArtifactStore
    producer: Producer
    batch_production: BatchProduction
    inspector: ArtifactInspector
    retention: Retention
    operator_requests: OperatorRequests
    build_warehouse: Callable[[], BuildReport | None]
    table_sizes: "Callable[[DuckDBPyConnection], Mapping[str, int]]"
    pending_signal: Callable[[], AbstractContextManager[Signal]]
    close: Callable[[], None]


def worker_services(settings: Settings) -> WorkerServices:
    """The services of a run worker on the adapters that ``settings`` name."""
    retry_seconds = settings.lease_seconds
    engine = make_engine(database_url(settings), application="worker")
    warehouse = export_warehouse(settings)
    catalogue = make_catalogue(settings, warehouse)
    jobs, artifacts = PostgresJobStore(engine, retry_seconds), make_artifact_store(settings)
    orchestrator = DagsterGateway(engine, DagsterInstance.get, retry_seconds)
    producer = Producer(catalogue, warehouse, jobs, artifacts, settings.lease, settings.max_attempts)
    queue = LaunchQueue(jobs, artifacts, orchestrator, settings.launch_ttl)
    commands = ExportCommands(
        datasets=DatasetReader(catalogue, PostgresDirectory(engine, retry_seconds)),
        check_options=check_options,
        jobs=jobs,
        artifacts=artifacts,
        orchestrator=orchestrator,
        max_unfinished=settings.exports_per_user,
    )
    return WorkerServices(
        api_url=settings.api_url,
        preview=settings.dagster_preview,
        catalogue=catalogue,
        warehouse=warehouse,
        jobs=jobs,
        artifacts=artifacts,
        producer=producer,
        batch_production=BatchProduction(queue, producer, settings.burst_runs),
        inspector=ArtifactInspector(catalogue, warehouse, jobs, artifacts, count_foreign_rows, read_file),
        retention=Retention(jobs, artifacts, orchestrator, settings.history),
        operator_requests=OperatorRequests(PostgresUserStore(engine), commands),
        build_warehouse=partial(build, settings),
        table_sizes=partial(table_sizes, path=settings.warehouse),
        pending_signal=pending_signal(settings, retry_seconds),
        close=engine.dispose,
    )


@cache
def worker_services_from_environment() -> WorkerServices:
    """The services of run workers in this process, from the environment."""
    return worker_services(Settings())
