"""``export`` and ``exports``: the commands for users, which talk to a running service.

They work where only the client is installed.
"""

from pathlib import Path

import typer

from analytics_exports.cli import arguments as given
from analytics_exports.cli.connection import DEFAULT_URL, AsJson, Token, Url, connected

exports = typer.Typer(help="Your exports on a running service.", no_args_is_help=True, rich_markup_mode=None)


def export(
    *,
    dataset: given.DatasetName,
    output: given.Output = Path(),
    format: given.FormatName = None,
    compression: given.Compression = None,
    start: given.FirstDay = None,
    end: given.LastDay = None,
    account: given.Accounts = None,
    tag: given.Tags = None,
    where: given.Choices = None,
    ranges: given.Ranges = None,
    columns: given.Columns = None,
    wait: given.Wait = True,
    json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
) -> None:
    """Export a dataset to a file. Asks for it, waits, fetches the file and checks it."""
    from analytics_exports.cli import selecting
    from analytics_exports.cli.fetching import deliver

    options = selecting.options(
        output,
        format=format,
        compression=compression,
        start=start,
        end=end,
        accounts=account,
        tags=tag,
        choices=where,
        ranges=ranges,
        columns=columns,
    )
    with connected(url, token, as_json=json) as client:
        deliver(client.export(dataset, **options), output, wait=wait, as_json=json)


def datasets(url: str, token: str, *, as_json: bool) -> None:
    """List what a running service offers its callers."""
    from analytics_exports.cli.history import datasets_json, datasets_text

    with connected(url, token, as_json=as_json) as client:
        found = client.datasets()
    typer.echo(datasets_json(found) if as_json else datasets_text(found))


@exports.command(name="list")
def list_exports(
    *,
    status: given.OnlyStatus = None,
    limit: given.Limit = given.RECENT,
    json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
) -> None:
    """List your exports, newest first."""
    from analytics_exports.cli.history import exports_json, exports_text

    with connected(url, token, as_json=json) as client:
        found = [item.facts for item in client.exports(status=status, limit=limit)]
    typer.echo(exports_json(found) if json else exports_text(found))


@exports.command()
def show(*, job_id: given.JobId, json: AsJson = False, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """Show where an export stands, and the facts of its file."""
    from analytics_exports.cli.history import print_export

    with connected(url, token, as_json=json) as client:
        print_export(client.get(job_id).facts, as_json=json)


@exports.command()
def cancel(*, job_id: given.JobId, json: AsJson = False, url: Url = DEFAULT_URL, token: Token = "") -> None:
    """Stop an export that is not finished; remove the file of one that is."""
    from analytics_exports.cli.history import print_export

    with connected(url, token, as_json=json) as client:
        print_export(client.get(job_id).cancel().facts, as_json=json)


@exports.command()
def retry(
    *,
    job_id: given.JobId,
    output: given.Output = Path(),
    wait: given.Wait = True,
    json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
) -> None:
    """Ask anew for an export that failed, was cancelled or has expired, and fetch its file."""
    from analytics_exports.cli.fetching import deliver

    with connected(url, token, as_json=json) as client:
        deliver(client.get(job_id).retry(), output, wait=wait, as_json=json)


@exports.command()
def download(
    *,
    job_id: given.JobId,
    output: given.Output = Path(),
    json: AsJson = False,
    url: Url = DEFAULT_URL,
    token: Token = "",
) -> None:
    """Fetch the file of an export, from where an earlier download stopped. Waits if it is not ready yet."""
    from analytics_exports.cli.fetching import deliver

    with connected(url, token, as_json=json) as client:
        deliver(client.get(job_id), output, wait=True, as_json=json)
