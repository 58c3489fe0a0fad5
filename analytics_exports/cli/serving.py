"""``serve``: the service on this machine in the foreground, and what is printed once it is up.

Processes and their order belong to ``stack``.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from analytics_exports.contract import BASE_PATH
from analytics_exports.settings import PREFIX, Settings
from analytics_exports.stack.stack import Stack, running_stack
from analytics_exports.stack.supervisor import DatabaseServer, stopping_on_signals

EXIT_INTERRUPTED = 128 + signal.SIGINT


def say(text: str) -> None:
    """Print a message on standard error."""
    typer.echo(text, err=True)


@contextmanager
def foreground(interrupted: int) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into an orderly end of the block; Ctrl-C exits with the code ``interrupted``."""
    with stopping_on_signals():
        try:
            yield
        except KeyboardInterrupt:
            say("Everything is stopped.")
            raise typer.Exit(interrupted) from None


def serve(settings: Settings) -> None:
    """Run the service until Ctrl-C or SIGTERM."""
    if not settings.dbt_manifest.exists():
        say(f"There is no {settings.dbt_manifest} yet: set {PREFIX}DBT_MANIFEST, or try --demo.")
    with foreground(interrupted=0), running_stack(settings, say, embedded_database(settings)) as stack:
        say(addresses(stack))
        stack.supervisor.run()


def embedded_database(settings: Settings) -> DatabaseServer | None:
    """The embedded PostgreSQL; ``None`` when the settings name a server, which needs nothing of ``development``."""
    if settings.database_url:
        return None
    from analytics_exports.development.postgres import embedded_postgres

    return embedded_postgres(settings)


def addresses(stack: Stack) -> str:
    """The URLs of the service."""
    return "\n".join(
        [
            f"  Web page           {stack.api_url}/",
            f"  API documentation  {stack.api_url}{BASE_PATH}/docs",
            f"  Dagster            {stack.dagster_ui_url}",
            f"  Logs               {stack.logs}",
            "  Ctrl-C stops everything.",
        ]
    )
