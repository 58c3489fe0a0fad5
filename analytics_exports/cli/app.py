"""The commands, their help, and the one place where a failure becomes an exit code.

What belongs here: arguments and help texts. What a command does is in a module of its own, imported when it runs.
"""

import sys
from typing import Annotated

import typer

from analytics_exports.cli import operators, remote
from analytics_exports.cli.configuration import EXIT_FAILED, read_settings
from analytics_exports.domain.errors import ExportError

app = typer.Typer(
    help="Self-service bulk exports from any dbt + DuckDB warehouse.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
database = typer.Typer(help="The service's own database.", no_args_is_help=True)
store = typer.Typer(help="The place of finished files.", no_args_is_help=True)
app.add_typer(database, name="db")
app.add_typer(store, name="store")
app.command()(remote.export)
app.add_typer(remote.exports, name="exports")
app.add_typer(operators.users, name="users")
app.add_typer(operators.tokens, name="tokens")


@app.command()
def serve(
    *, demo: Annotated[bool, typer.Option("--demo", help="On the demonstration's data, with tokens to try.")] = False
) -> None:
    """Run the whole service on this machine until Ctrl-C."""
    from analytics_exports.cli.serving import serve, serve_demo

    (serve_demo if demo else serve)(read_settings())


@app.command()
def demo() -> None:
    """Make one export for real on the demonstration's data, check it, and stop everything."""
    from analytics_exports.cli.demonstration import demonstrate

    demonstrate(read_settings())


@app.command()
def settings() -> None:
    """List every setting: its environment variable, its default, what it means."""
    from analytics_exports.cli.listing import settings_table

    typer.echo(settings_table())


@app.command()
def datasets(*, json: Annotated[bool, typer.Option("--json", help="Everything, as one JSON object.")] = False) -> None:
    """List the datasets of the dbt manifest, and the models that could not be offered, with the reason."""
    from analytics_exports.bootstrap import Application
    from analytics_exports.cli.listing import datasets_json, datasets_text

    state = Application(read_settings(), "cli").catalogue.state()
    typer.echo(datasets_json(state) if json else datasets_text(state))


@app.command()
def doctor(*, json: Annotated[bool, typer.Option("--json", help="As a JSON list, for programs.")] = False) -> None:
    """Look at everything an export needs; say what is wrong and the remedy. Exits 1 when something is."""
    from analytics_exports.cli.doctor import as_json, as_text, examine

    findings = examine(read_settings())
    typer.echo(as_json(findings) if json else as_text(findings))
    if any(finding.problem for finding in findings):
        raise typer.Exit(EXIT_FAILED)


@database.command()
def upgrade() -> None:
    """Bring the database to the current schema; `serve` does so by itself."""
    from analytics_exports.cli.setting_up import upgrade_database

    upgrade_database(read_settings())


@store.command()
def prepare() -> None:
    """Mark the folder or bucket as the store, making a folder; nothing is written to a place without the mark."""
    from analytics_exports.cli.setting_up import prepare_store

    prepare_store(read_settings())


def main() -> None:
    """Run the command line; never returns."""
    try:
        app()
    except ExportError as reason:
        typer.echo(f"error: {reason}", err=True)
        sys.exit(EXIT_FAILED)
