"""Arguments and options of the commands that talk to a service, each declared once.

Their meaning for the service belongs to ``selecting``; connecting to it, to ``connection``.
"""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from analytics_exports.cli.connection import completions
from analytics_exports.domain.export import Status
from analytics_exports.domain.formats import Format

RECENT = 20
"""Exports that a list shows, and that shell completion offers, by default."""

DAY = "%Y-%m-%d"


def _datasets(incomplete: str) -> list[str]:
    names = completions(lambda client: [item.dataset_name for item in client.datasets()])
    return [name for name in names if name.startswith(incomplete)]


def _recent(incomplete: str) -> list[str]:
    ids = completions(lambda client: [str(item.facts.job_id) for item in client.exports(limit=RECENT)])
    return [job_id for job_id in ids if job_id.startswith(incomplete)]


DatasetName = Annotated[
    str, typer.Argument(metavar="DATASET", autocompletion=_datasets, help="Name or id of the dataset.")
]
JobId = Annotated[str, typer.Argument(metavar="ID", autocompletion=_recent, help="Id of the export.")]
Output = Annotated[
    Path, typer.Option("--output", "-o", help="A file, or a folder for a file of the name that the service suggests.")
]
FormatName = Annotated[
    Format | None, typer.Option("--format", "-f", help="By default what the output's name ends with, else csv.")
]
Compression = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Such as gzip or zstd; by default what the output's name ends with."),
]
FirstDay = Annotated[
    datetime | None, typer.Option("--from", formats=[DAY], metavar="YYYY-MM-DD", help="First day, inclusive.")
]
LastDay = Annotated[
    datetime | None, typer.Option("--to", formats=[DAY], metavar="YYYY-MM-DD", help="Last day, inclusive.")
]
Accounts = Annotated[
    list[str] | None, typer.Option("--account", metavar="ID", help="Only this account; repeat for more.")
]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="ID", help="Only with this tag; repeat for more.")]
Choices = Annotated[
    list[str] | None, typer.Option("--where", metavar="NAME=VALUE", help="Only rows with this value; repeat for more.")
]
Ranges = Annotated[
    list[str] | None,
    typer.Option("--range", metavar="NAME=MIN..MAX", help="Only numbers in this range; either end may be left out."),
]
Columns = Annotated[
    list[str] | None, typer.Option("--columns", metavar="A,B,…", help="Only these columns, in this order.")
]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the file, or only print the id of the export.")]
Limit = Annotated[int, typer.Option(min=1, help="Show at most so many.")]
OnlyStatus = Annotated[Status | None, typer.Option("--status", help="Only exports that stand so.")]
