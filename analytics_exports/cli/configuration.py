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

    from analytics_exports.development.postgres import joined_or_started

    with joined_or_started(settings) as url:
        yield url
