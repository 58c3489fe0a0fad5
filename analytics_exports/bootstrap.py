"""The composition root: from settings to services.

Each service is made on first use, so that a sensor pays only for the jobs table and a worker never for the web
framework.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache, cached_property
from typing import Any

from analytics_exports.adapters import Adapters
from analytics_exports.domain.formats import Format
from analytics_exports.services.batch_production import BatchProduction
from analytics_exports.services.change_hub import ChangeHub
from analytics_exports.services.datasets import DatasetReader
from analytics_exports.services.download_links import DownloadLinks
from analytics_exports.services.event_log_projection import EventLogProjection
from analytics_exports.services.export_commands import CheckOptions, ExportCommands
from analytics_exports.services.export_reader import ExportReader
from analytics_exports.services.health import Health
from analytics_exports.services.launch_planner import LaunchPlanner
from analytics_exports.services.production import Producer
from analytics_exports.services.retention import Retention
from analytics_exports.services.row_queries import RowQueries
from analytics_exports.services.selection_checker import SelectionChecker
from analytics_exports.services.signing import Signer
from analytics_exports.services.tokens import TokenService
from analytics_exports.settings import Settings

SIGNING_KEY_NAME = "seal"
"""Name of the signing secret in the database; it must not change, or cursors and links become invalid."""


class Application(Adapters):
    """The services of one process, on the real adapters."""

    @cached_property
    def datasets(self) -> DatasetReader:
        """The datasets on offer."""
        return DatasetReader(self.catalogue)

    @cached_property
    def health(self) -> Health:
        """The state of each part."""
        return Health(self.catalogue, self.warehouse, self.jobs, self.artifacts, self.orchestrator)

    @cached_property
    def launch_planner(self) -> LaunchPlanner:
        """Which exports to launch."""
        return LaunchPlanner(
            jobs=self.jobs,
            artifacts=self.artifacts,
            orchestrator=self.orchestrator,
            max_runs=self.settings.run_workers,
            max_single_runs=self.settings.burst_exports,
            max_batch_runs=self.settings.burst_runs,
            launch_ttl=self.settings.launch_ttl,
        )

    @cached_property
    def batch_production(self) -> BatchProduction:
        """Making many exports in one run."""
        settings = self.settings
        return BatchProduction(self.jobs, self.orchestrator, self.producer, settings.burst_runs, settings.launch_ttl)

    @cached_property
    def producer(self) -> Producer:
        """Making one export."""
        return Producer(
            catalogue=self.catalogue,
            warehouse=self.warehouse,
            jobs=self.jobs,
            artifacts=self.artifacts,
            lease=self.settings.lease,
            max_attempts=self.settings.max_attempts,
        )

    @cached_property
    def export_commands(self) -> ExportCommands:
        """Requesting exports."""
        return ExportCommands(
            selection_checker=self.selection_checker,
            check_options=self.check_options,
            jobs=self.jobs,
            artifacts=self.artifacts,
            orchestrator=self.orchestrator,
            max_unfinished=self.settings.exports_per_user,
        )

    @cached_property
    def export_reader(self) -> ExportReader:
        """Reading exports."""
        return ExportReader(self.jobs, self.artifacts, self.signer)

    @cached_property
    def download_links(self) -> DownloadLinks:
        """Downloads without a token."""
        lifetime = timedelta(seconds=self.settings.download_link_seconds)
        return DownloadLinks(self.export_reader, self.directory, self.signer, lifetime)

    @cached_property
    def change_hub(self) -> ChangeHub:
        """Subscriptions of this process to changes of exports."""
        return ChangeHub()

    @cached_property
    def tokens(self) -> TokenService:
        """Administering API tokens."""
        from analytics_exports.database.token_store import PostgresTokenStore

        return TokenService(PostgresTokenStore(self.engine), timedelta(days=self.settings.token_days))

    @cached_property
    def signer(self) -> Signer:
        """Signs cursors and download links."""
        from analytics_exports.database.secrets import shared_secret

        return Signer(lambda: shared_secret(self.engine, SIGNING_KEY_NAME))

    @property
    def check_options(self) -> CheckOptions:
        """Validates options of a format."""
        from analytics_exports.artifacts.formats import check_options

        return check_options

    def describe_options(self) -> Mapping[Format, Mapping[str, Any]]:
        """The options of each format as a JSON Schema."""
        from analytics_exports.artifacts.formats import describe_options

        return describe_options()

    @cached_property
    def selection_checker(self) -> SelectionChecker:
        """Validates selections."""
        return SelectionChecker(self.datasets, self.directory)

    @cached_property
    def row_queries(self) -> RowQueries:
        """Pages of rows, and estimates."""
        return RowQueries(self.selection_checker, self.query_warehouse)

    @cached_property
    def event_log_projection(self) -> EventLogProjection:
        """Projects Dagster's event log onto the jobs table."""
        settings = self.settings
        return EventLogProjection(
            self.jobs, self.artifacts, self.orchestrator, settings.retention, settings.max_attempts
        )

    @cached_property
    def retention(self) -> Retention:
        """Expiring exports."""
        return Retention(self.jobs, self.artifacts, self.orchestrator, self.settings.history)


@cache
def application(process: str) -> Application:
    """The application of this process, from the environment."""
    return Application(Settings(), process)
