"""The adapters of one process, made from its settings. Nothing else constructs any.

Everything is made on first use, so that a sensor pays only for the jobs table and a worker never for the web framework.
What is built from adapters belongs to ``bootstrap``.
"""

from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from analytics_exports.ports import (
    Announcements,
    ArtifactStore,
    Catalogue,
    Directory,
    Figures,
    JobStore,
    Orchestrator,
    Signal,
    Warehouse,
)
from analytics_exports.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from analytics_exports.warehouse.build import BuildReport


SENSOR_RETRY_SECONDS = 10
"""For how long a sensor repeats what PostgreSQL does not answer: a tick has to end within Dagster's minute."""


class Adapters:
    """What implements the ports, as the settings say."""

    def __init__(self, settings: Settings, process: str, **adapters: object) -> None:
        """Wire what ``settings`` say.

        Args:
            process: What this process is called in PostgreSQL and in the audit trail.
            adapters: Used in place of those of the settings, by attribute name; tests hand in their fakes.
        """
        self.settings = settings
        self._process = process
        self.__dict__.update(adapters)

    def close(self) -> None:
        """Close the connections to PostgreSQL; they are opened again when they are needed."""
        if "engine" in self.__dict__:
            self.engine.dispose()

    @cached_property
    def catalogue(self) -> Catalogue:
        """The datasets of the dbt manifest."""
        from analytics_exports.catalogue import DbtCatalogue

        return DbtCatalogue(self.settings.dbt_manifest, self.catalog_file, self.warehouse.describe)

    @cached_property
    def warehouse(self) -> Warehouse:
        """Where the rows are, with the limits of an export."""
        return self._warehouse(self.settings.export_memory, self.settings.export_seconds, patience=10)

    @cached_property
    def query_warehouse(self) -> Warehouse:
        """The same, with the limits of a request."""
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
        """The catalog.json of the dbt project."""
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
        """Where finished files are kept."""
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

        patience = self.settings.database_seconds if self._process == "api" else None
        return make_engine(self.database_url, application=self._process, patience=patience)

    @property
    def _retry_seconds(self) -> float:
        """For how long what PostgreSQL does not answer is repeated; a person does not wait that long for the API."""
        lease = self.settings.lease_seconds
        return {"worker": lease, "schedule": lease, "sensor": min(lease, SENSOR_RETRY_SECONDS)}.get(self._process, 0)

    @property
    def database_url(self) -> str:
        """Where PostgreSQL is. The local stack sets it for its processes when it starts the embedded one."""
        if self.settings.database_url is None:
            raise RuntimeError("Set ANALYTICS_EXPORTS_DATABASE_URL, or start the stack with `analytics-exports serve`.")
        return self.settings.database_url

    @cached_property
    def figures(self) -> Figures:
        """What operators count."""
        from analytics_exports.database.figures import PostgresFigures

        return PostgresFigures(self.engine)

    def pending_signal(self) -> AbstractContextManager[Signal]:
        """Announces that an export is pending."""
        from analytics_exports.database.signals import PENDING, listening

        return listening(self.database_url, PENDING, self._retry_seconds)

    def changes(self) -> AbstractContextManager[Announcements]:
        """Announces exports whose status changed, by id."""
        from analytics_exports.database.signals import CHANGED, listening

        return listening(self.database_url, CHANGED)

    def decided_signal(self) -> AbstractContextManager[Signal]:
        """Announces that Dagster logged an event that decides about an export."""
        from analytics_exports.database.signals import listening
        from analytics_exports.gateway import DECIDED

        return listening(self.database_url, DECIDED)

    @cached_property
    def orchestrator(self) -> Orchestrator:
        """The Dagster deployment of ``DAGSTER_HOME``."""
        from dagster import DagsterInstance

        from analytics_exports.gateway.dagster_gateway import DagsterGateway

        return DagsterGateway(self.engine, DagsterInstance.get, self._retry_seconds)
