"""The documents that the code itself writes, below ``docs/reference``.

    python -m analytics_exports.cli.reference [--check]

    commands  the command line       settings  every setting
    errors    every error of HTTP    openapi   the interface, for programs
    dbt       what a dbt project writes under ``meta``

With ``--check`` nothing is written; it fails when a document is not what would be written. Prose that people write does
not belong here.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from analytics_exports.api import document as openapi
from analytics_exports.api import reference as errors
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
    """The documents that are not what would be written."""
    return [
        FOLDER / name
        for name, document in DOCUMENTS.items()
        if not (FOLDER / name).exists() or (FOLDER / name).read_text(encoding="utf-8") != document()
    ]


def write() -> None:
    """Write all of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, document in DOCUMENTS.items():
        (FOLDER / name).write_text(document(), encoding="utf-8")
