"""Generates documents in ``docs/reference`` from the code.

    python -m analytics_exports.cli.reference [--check]

    commands  the command line
    dbt       the keys under ``meta`` in a dbt project
    settings  every setting
    tables    Markdown tables

Errors and the OpenAPI document come from ``api``. With ``--check`` nothing is written; the command fails when a
document is out of date.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from analytics_exports.api import error_reference as errors
from analytics_exports.api import openapi as openapi
from analytics_exports.cli.reference import commands, dbt, settings

FOLDER = Path(__file__).parents[3] / "docs" / "reference"
DOCUMENTS: Mapping[str, Callable[[], str]] = {
    "cli.md": commands.document,
    "dbt-metadata.md": dbt.document,
    "errors.md": errors.document,
    "openapi.json": openapi.document,
    "settings.md": settings.document,
}


def stale() -> list[Path]:
    """The documents that are out of date."""
    return [
        FOLDER / name
        for name, document in DOCUMENTS.items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != document()
    ]


def write() -> None:
    """Write all documents."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, document in DOCUMENTS.items():
        (FOLDER / name).write_text(document(), encoding="utf-8")
