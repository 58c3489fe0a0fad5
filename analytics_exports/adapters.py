"""The adapters of one process, made from its settings. No other module constructs any.

Each is made on first use, so that a sensor pays only for the jobs table and a worker never for the web framework.
Services are made in ``bootstrap``.
"""

from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from analytics_exports.ports import (
    ArtifactStore,
    Catalogue,
    Directory,
    JobStore,
    Notifications,
    Orchestrator,
    Signal,
    Stats,
    Warehouse,
)
from analytics_exports.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from analytics_exports.warehouse.build import BuildReport


SENSOR_RETRY_SECONDS = 10
"""How long a sensor retries while PostgreSQL is away, in seconds: a tick has to end within Dagster's limit of 60."""


class Adapters:
    """The implementations of the ports, by the settings."""

    def __init__(self, settings: Settings, process: str, **adapters: object) -> None:
        """Use ``settings``.

        Args:
            process: Name of this process in PostgreSQL and in the audit trail.
            adapters: Replacements, by attribute name, for tests.
        """
        self.settings = settings
        self._process = process
        self.__dict__.update(adapters)

    def close(self) -> None:
        """Close the connections to PostgreSQL; they are opened again when needed."""
        if "engine" in self.__dict__:
            self.engine.dispose()

    @cached_property
    def catalogue(self) -> Catalogue:
        """The datasets of the dbt manifest."""
        from analytics_exports.catalogue import DbtCatalogue

        return DbtCatalogue(self.settings.dbt_manifest, self.catalog_file, self.warehouse.describe)

    @cached_property
    def warehouse(self) -> Warehouse:
        """The warehouse, with the limits of an export."""
        return self._warehouse(self.settings.export_memory, self.settings.export_seconds, lock_timeout=10)

    @cached_property
    def query_warehouse(self) -> Warehouse:
        """The warehouse, with the limits of a request."""
        return self._warehouse(self.settings.query_memory, self.settings.query_seconds)

    def _warehouse(self, memory: str, seconds: float, **limits: float) -> Warehouse:
        settings = self.settings
        if settings.warehouse_url:
            from analytics_exports.warehouse.postgres import PostgresWarehouse

            return PostgresWarehouse(settings.warehouse_url, memory_limit=memory, seconds=seconds)
        from analytics_exports.warehouse import DuckDBWarehouse

        threads, spill = settings.export_threads, settings.state_dir / "spill"
        return DuckDBWarehouse(
            settings.warehouse, memory_limit=memory, threads=threads, seconds=seconds, spill_root=spill, **limits
        )

    @property
    def catalog_file(self) -> Path:
        """The path of the dbt project's catalog.json."""
        return self.settings.dbt_catalog or self.settings.dbt_manifest.with_name("catalog.json")

    def build_warehouse(self) -> "BuildReport | None":
        """Build the warehouse with dbt and publish it; ``None`` when no dbt project is set."""
        from analytics_exports.warehouse.build import build_warehouse

        settings = self.settings
        if settings.dbt_project is None:
            return None
        return build_warehouse(
            settings.dbt_project,
            settings.warehouse,
            settings.dbt_manifest,
            catalog=self.catalog_file,
            logs=settings.state_dir / "logs",
        )

    @cached_property
    def artifacts(self) -> ArtifactStore:
        """The artifact store."""
        from analytics_exports.artifacts import artifact_store

        settings = self.settings
        return artifact_store(settings.artifact_root, settings.export_bytes, settings.disk_reserve_bytes)

    @cached_property
    def jobs(self) -> JobStore:
        """The jobs table."""
        from analytics_exports.database.jobs import PostgresJobStore

        return PostgresJobStore(self.engine, self._retry_seconds)

    @cached_property
    def directory(self) -> Directory:
        """Users and tokens."""
        from analytics_exports.database.directory import PostgresDirectory

        return PostgresDirectory(self.engine, self._retry_seconds)

    @cached_property
    def engine(self) -> "Engine":
        """The pool of connections to PostgreSQL."""
        from analytics_exports.database.engine import make_engine

        response_timeout = self.settings.database_seconds if self._process == "api" else None
        return make_engine(self.database_url, application=self._process, response_timeout=response_timeout)

    @property
    def _retry_seconds(self) -> float:
        """How long operations are retried while PostgreSQL is away; the API does not retry, because a person waits."""
        lease = self.settings.lease_seconds
        return {"worker": lease, "schedule": lease, "sensor": min(lease, SENSOR_RETRY_SECONDS)}.get(self._process, 0)

    @property
    def database_url(self) -> str:
        """URL of PostgreSQL. The local stack sets it for its processes when it starts the embedded one."""
        if self.settings.database_url is None:
            raise RuntimeError("Set ANALYTICS_EXPORTS_DATABASE_URL, or start the stack with `analytics-exports serve`.")
        return self.settings.database_url

    @cached_property
    def stats(self) -> Stats:
        """Statistics for operators."""
        from analytics_exports.database.stats import PostgresStats

        return PostgresStats(self.engine)

    def pending_signal(self) -> AbstractContextManager[Signal]:
        """The notifications of pending exports."""
        from analytics_exports.database.notifications import PENDING, listening

        return listening(self.database_url, PENDING, self._retry_seconds)

    def job_notifications(self) -> AbstractContextManager[Notifications]:
        """Notifications about exports whose status changed, with their ids."""
        from analytics_exports.database.notifications import CHANGED, listening

        return listening(self.database_url, CHANGED)

    def event_log_signal(self) -> AbstractContextManager[Signal]:
        """The notifications of events in Dagster's log that decide the outcome of an export."""
        from analytics_exports.database.notifications import listening
        from analytics_exports.gateway import EVENT_LOG_CHANNEL

        return listening(self.database_url, EVENT_LOG_CHANNEL)

    @cached_property
    def orchestrator(self) -> Orchestrator:
        """The Dagster deployment of ``DAGSTER_HOME``."""
        from dagster import DagsterInstance

        from analytics_exports.gateway.dagster_gateway import DagsterGateway

        return DagsterGateway(self.engine, DagsterInstance.get, self._retry_seconds)
