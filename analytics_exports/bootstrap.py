"""The one composition root: from settings to wired services. Nothing else constructs adapters.

Everything is made on first use, so that a sensor pays only for the jobs table and a worker never for the web framework.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analytics_exports.domain.formats import Format
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
from analytics_exports.services.browsing import Browsing
from analytics_exports.services.draining import Draining
from analytics_exports.services.following import Following
from analytics_exports.services.health import Health
from analytics_exports.services.launching import Launching
from analytics_exports.services.linking import Linking
from analytics_exports.services.producing import Producing
from analytics_exports.services.querying import Querying
from analytics_exports.services.readback import Readback
from analytics_exports.services.requesting import CheckOptions, Requesting
from analytics_exports.services.retention import Retention
from analytics_exports.services.sealing import Seal
from analytics_exports.services.selecting import Selecting
from analytics_exports.services.tokens import Tokens
from analytics_exports.services.waiting import Waiting
from analytics_exports.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from analytics_exports.warehouse.build import BuildReport


class Application:
    """The services of one process, wired to the real adapters."""

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
    def browsing(self) -> Browsing:
        """What datasets there are."""
        return Browsing(self.catalogue)

    @cached_property
    def health(self) -> Health:
        """How each part is."""
        return Health(self.catalogue, self.warehouse, self.jobs, self.artifacts, self.orchestrator)

    @cached_property
    def launching(self) -> Launching:
        """Which exports to launch."""
        settings = self.settings
        return Launching(
            self.jobs, self.orchestrator, settings.run_workers, settings.burst_exports, settings.burst_runs
        )

    @cached_property
    def draining(self) -> Draining:
        """Making many exports."""
        return Draining(self.jobs, self.orchestrator, self.producing, self.settings.burst_runs)

    @cached_property
    def producing(self) -> Producing:
        """Making one export."""
        return Producing(
            catalogue=self.catalogue,
            warehouse=self.warehouse,
            jobs=self.jobs,
            artifacts=self.artifacts,
            lease=self.settings.lease,
            max_attempts=self.settings.max_attempts,
        )

    @cached_property
    def requesting(self) -> Requesting:
        """Asking for exports."""
        return Requesting(
            selecting=self.selecting,
            check_options=self.check_options,
            jobs=self.jobs,
            artifacts=self.artifacts,
            orchestrator=self.orchestrator,
            most_live=self.settings.exports_per_user,
        )

    @cached_property
    def following(self) -> Following:
        """Looking at exports."""
        return Following(self.jobs, self.artifacts, self.seal)

    @cached_property
    def linking(self) -> Linking:
        """Downloading without a token."""
        lifetime = timedelta(seconds=self.settings.download_link_seconds)
        return Linking(self.following, self.directory, self.seal, lifetime)

    @cached_property
    def waiting(self) -> Waiting:
        """Who waits in this process for an export to change."""
        return Waiting()

    @cached_property
    def tokens(self) -> Tokens:
        """Administering API tokens."""
        from analytics_exports.database.token_store import PostgresTokenStore

        return Tokens(PostgresTokenStore(self.engine), timedelta(days=self.settings.token_days))

    @cached_property
    def seal(self) -> Seal:
        """Recognising what this service handed out."""
        from analytics_exports.database.secrets import shared_secret

        return Seal(lambda: shared_secret(self.engine, "seal"))

    @property
    def check_options(self) -> CheckOptions:
        """What options a format can have."""
        from analytics_exports.artifacts.formats import check_options

        return check_options

    def describe_options(self) -> Mapping[Format, Mapping[str, Any]]:
        """The same, as a JSON Schema for each format."""
        from analytics_exports.artifacts.formats import describe_options

        return describe_options()

    @cached_property
    def selecting(self) -> Selecting:
        """Checking what a caller selects."""
        return Selecting(self.browsing, self.directory)

    @cached_property
    def querying(self) -> Querying:
        """Answering without a file."""
        return Querying(self.selecting, self.query_warehouse)

    @cached_property
    def readback(self) -> Readback:
        """Reading Dagster's event log back onto the jobs table."""
        return Readback(self.jobs, self.orchestrator, self.settings.retention, self.settings.max_attempts)

    @cached_property
    def retention(self) -> Retention:
        """Expiring exports."""
        return Retention(self.jobs, self.artifacts, self.orchestrator, self.settings.history)

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

        return PostgresJobStore(self.engine)

    @cached_property
    def directory(self) -> Directory:
        """Users and tokens."""
        from analytics_exports.database.directory import PostgresDirectory

        return PostgresDirectory(self.engine)

    @cached_property
    def engine(self) -> "Engine":
        """The pool of connections to PostgreSQL."""
        from analytics_exports.database.engine import make_engine

        patience = self.settings.database_seconds if self._process == "api" else None
        return make_engine(self.database_url, application=self._process, patience=patience)

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

        return listening(self.database_url, PENDING)

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

        return DagsterGateway(self.engine, DagsterInstance.get)


@cache
def application(process: str) -> Application:
    """The application of this process, from the environment."""
    return Application(Settings(), process)
