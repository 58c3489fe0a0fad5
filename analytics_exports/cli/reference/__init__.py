"""Generates documents in ``docs/reference`` from the code.

    python -m analytics_exports.cli.reference [--check]

    commands  the command line
    tables    settings, and the keys under ``meta`` in a dbt project

Errors and the OpenAPI document come from ``api``. With ``--check`` nothing is written; the command fails when a
document is out of date.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from analytics_exports.api import reference
from analytics_exports.cli.reference import commands, tables

FOLDER = Path(__file__).parents[3] / "docs" / "reference"
DOCUMENTS: Mapping[str, Callable[[], str]] = {
    "cli.md": commands.document,
    "dbt-metadata.md": tables.dbt_metadata,
    "errors.md": reference.error_reference,
    "openapi.json": reference.openapi_document,
    "settings.md": tables.settings,
}


def stale() -> list[Path]:
    """The documents that are out of date."""
    return [
        FOLDER / name
        for name, document in DOCUMENTS.items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != document()
    ]


def write_documents() -> None:
    """Write all documents."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, document in DOCUMENTS.items():
        (FOLDER / name).write_text(document(), encoding="utf-8")
