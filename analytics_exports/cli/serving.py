"""``serve``: the local stack in the foreground, and what is printed once it is up.

Processes and their order belong to ``stack``.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import typer

from analytics_exports.contract import BASE_PATH
from analytics_exports.domain.dataset import dataset_id
from analytics_exports.settings import PREFIX, Settings
from analytics_exports.stack.demo import running_demo
from analytics_exports.stack.stack import Stack, running_stack
from analytics_exports.stack.supervisor import stopping_on_signals

DEMO_DATASET = "fct_transactions"
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
    with foreground(interrupted=0), running_stack(settings, say) as stack:
        say(addresses(stack))
        stack.supervisor.run()


def serve_demo(settings: Settings) -> None:
    """Run the service on the demonstration's data until Ctrl-C or SIGTERM."""
    with foreground(interrupted=0), running_demo(settings, say) as (stack, users):
        say(f"{addresses(stack)}\n\nThis is the token of {users[0].label} for the web page:\n\n{users[0].token}\n")
        say("To ask for an export without it, paste this:\n")
        say(request_to_paste(stack, users[0].token))
        stack.supervisor.run()


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


def request_to_paste(stack: Stack, token: str) -> str:
    """A curl command that requests an export."""
    body = f'{{"dataset_id": "{dataset_id(DEMO_DATASET)}", "format": "csv", "start_date": "2024-01-01"}}'
    return (
        f"curl -X POST {stack.api_url}{BASE_PATH}/exports \\\n"
        f"  -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' \\\n"
        f"  -d '{body}'\n"
    )
