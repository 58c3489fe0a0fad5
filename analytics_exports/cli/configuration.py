"""Settings and database of the commands for operators.

Commands that only talk to a running service need neither (``connection``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from analytics_exports.bootstrap.operators import Administration
    from analytics_exports.settings import Settings

EXIT_FAILED = 1


def read_settings() -> "Settings":
    """The settings of the environment. Exits when some are invalid, naming each."""
    from pydantic import ValidationError

    from analytics_exports.settings import PREFIX, Settings

    try:
        return Settings()
    except ValidationError as reason:
        for error in reason.errors():
            typer.echo(f"error: {PREFIX}{'_'.join(map(str, error['loc'])).upper()}: {error['msg']}", err=True)
        raise typer.Exit(EXIT_FAILED) from None


@contextmanager
def administered() -> Iterator["Administration"]:
    """Users and tokens in the database of the settings, with the current schema.

    The embedded one is joined while ``serve`` runs, and started for the block otherwise.
    """
    from analytics_exports.bootstrap.operators import administration
    from analytics_exports.database.migrations import upgrade_schema
    from analytics_exports.reconnecting import unavailable_when_away

    settings = read_settings()
    with _database_url(settings) as url:
        with unavailable_when_away():
            upgrade_schema(url)
        with administration(url, timedelta(days=settings.token_days)) as services:
            yield services


@contextmanager
def _database_url(settings: "Settings") -> Iterator[str]:
    if settings.database_url:
        yield settings.database_url
        return

    from analytics_exports.stack.errors import AlreadyRunning  # its dependencies are in the demo extra
    from analytics_exports.stack.postgres import DATABASE, USER, EmbeddedPostgres
    from analytics_exports.stack.tcp import LOOPBACK

    folder = settings.state_dir / "postgres"
    server = EmbeddedPostgres(folder, settings.postgres_port)
    try:
        server.start()
    except AlreadyRunning:
        password = (folder / "password").read_text(encoding="ascii").strip()
        yield f"postgresql://{USER}:{password}@{LOOPBACK}:{settings.postgres_port}/{DATABASE}"
        return
    try:
        yield server.url
    finally:
        server.stop()
