"""The one composition root: from settings to wired services.

Everything is made on first use, so that a sensor pays only for the jobs table and a worker never for the web framework.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache, cached_property
from typing import Any

from analytics_exports.adapters import Adapters
from analytics_exports.domain.formats import Format
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


class Application(Adapters):
    """The services of one process, wired to the real adapters."""

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
        return Launching(
            jobs=self.jobs,
            artifacts=self.artifacts,
            orchestrator=self.orchestrator,
            workers=self.settings.run_workers,
            burst_exports=self.settings.burst_exports,
            burst_runs=self.settings.burst_runs,
            hold=self.settings.hold,
        )

    @cached_property
    def draining(self) -> Draining:
        """Making many exports."""
        settings = self.settings
        return Draining(self.jobs, self.orchestrator, self.producing, settings.burst_runs, settings.hold)

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
        settings = self.settings
        return Readback(self.jobs, self.artifacts, self.orchestrator, settings.retention, settings.max_attempts)

    @cached_property
    def retention(self) -> Retention:
        """Expiring exports."""
        return Retention(self.jobs, self.artifacts, self.orchestrator, self.settings.history)


@cache
def application(process: str) -> Application:
    """The application of this process, from the environment."""
    return Application(Settings(), process)
