"""``db upgrade`` and ``store prepare``: what has to be there before the first process starts.

Both work where only the server is installed, without the local stack.
"""

import typer

from analytics_exports.bootstrap import Application
from analytics_exports.database.migrations import upgrade
from analytics_exports.database.outage import unavailable_when_away
from analytics_exports.settings import Settings


def upgrade_database(settings: Settings) -> None:
    """Migrate the database of the settings; the embedded one is started for it."""
    if settings.database_url:
        with unavailable_when_away():
            upgrade(settings.database_url)
    else:
        from analytics_exports.stack.postgres import EmbeddedPostgres

        with EmbeddedPostgres(settings.state_dir / "postgres", settings.postgres_port) as server:
            upgrade(server.url)
    typer.echo("The database has the current schema.")


def prepare_store(settings: Settings) -> None:
    """Mark the place of finished files. Raises StorageUnavailable when it cannot be written."""
    Application(settings, "cli").artifacts.prepare()
