"""The commands with their arguments and help texts, and the mapping from errors to exit codes.

What a command does is in a module of its own, imported when it runs.
"""

import sys
from typing import Annotated

import typer

from analytics_exports.cli import records, remote
from analytics_exports.cli.configuration import EXIT_FAILED, read_settings
from analytics_exports.cli.connection import DEFAULT_URL, AsJson, Token, Url, exit_code, report
from analytics_exports.cli.tokens import tokens
from analytics_exports.cli.users import users
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
app.add_typer(users, name="users")
app.add_typer(tokens, name="tokens")


@app.command()
def serve(
    *, demo: Annotated[bool, typer.Option("--demo", help="On the demonstration's data, with tokens to try.")] = False
) -> None:
    """Run the whole service on this machine until Ctrl-C."""
    if demo:
        from analytics_exports.cli.demonstration import serve_demo

        serve_demo(read_settings())
    else:
        from analytics_exports.cli.serving import serve

        serve(read_settings())


@app.command()
def demo(*, json: AsJson = False) -> None:
    """Make one export for real on the demonstration's data, check it, and stop everything."""
    from analytics_exports.cli.demonstration import demonstrate

    demonstrate(read_settings(), as_json=json)


@app.command()
def settings(*, json: AsJson = False) -> None:
    """List every setting: its environment variable, its default, what it means."""
    from analytics_exports.cli.listing import settings_json, settings_table

    typer.echo(settings_json() if json else settings_table())


@app.command()
def datasets(
    *,
    json: AsJson = False,
    service: Annotated[bool, typer.Option("--service", help="Ask a running service, as its callers do.")] = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
) -> None:
    """List the datasets of the dbt manifest, and the models that could not be offered, with the reason."""
    if service:
        remote.datasets(url, token, as_json=json)
        return
    from analytics_exports.bootstrap.operators import project
    from analytics_exports.cli.listing import catalogue_json, catalogue_text

    state = project(read_settings()).catalogue.state()
    typer.echo(catalogue_json(state) if json else catalogue_text(state))


@app.command()
def doctor(*, json: AsJson = False) -> None:
    """Look at everything an export needs; say what is wrong and the remedy. Exits 1 when something is."""
    from analytics_exports.cli.doctor import Severity, examine, findings_json, findings_text

    findings = examine(read_settings())
    typer.echo(findings_json(findings) if json else findings_text(findings))
    if any(finding.severity is Severity.PROBLEM for finding in findings):
        raise typer.Exit(EXIT_FAILED)


@database.command()
def upgrade(*, json: AsJson = False) -> None:
    """Bring the database to the current schema; `serve` does so by itself. Prints the revision."""
    from analytics_exports.cli.configuration import administered

    with administered() as services:
        current = services.schema_revision()
    records.print_one({"revision": current}, current, as_json=json)


@store.command()
def prepare(*, json: AsJson = False) -> None:
    """Mark the folder or bucket as the store; nothing is written to a place without the mark. Prints where it is."""
    from analytics_exports.bootstrap.adapters import make_artifact_store

    settings = read_settings()
    make_artifact_store(settings).prepare()
    records.print_one({"artifact_store": settings.artifact_root}, settings.artifact_root, as_json=json)


def main() -> None:
    """Run the command line. Never returns."""
    try:
        app()
    except ExportError as reason:
        report(reason, as_json="--json" in sys.argv)
        sys.exit(exit_code(type(reason)))
    except ModuleNotFoundError as reason:
        if str(reason.name).startswith("analytics_exports"):
            raise
        typer.echo(
            "error: This command is for the machine of the service: install analytics-exports[server].", err=True
        )
        sys.exit(EXIT_FAILED)
