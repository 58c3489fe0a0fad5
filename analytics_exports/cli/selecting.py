"""Converts options of a command to options of the client.

Whether values fit the dataset is validated by the service.
"""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from analytics_exports.domain.formats import Format

if TYPE_CHECKING:
    from analytics_exports.client.options import Bounds, ExportOptions


COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


def options(
    output: Path,
    *,
    format: Format | None = None,
    compression: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    accounts: list[str] | None = None,
    tags: list[str] | None = None,
    choices: Iterable[str] | None = None,
    ranges: Iterable[str] | None = None,
    columns: Iterable[str] | None = None,
) -> "ExportOptions":
    """The options of an export. Format and compression are inferred from the name of the output unless given.

    Raises:
        typer.BadParameter: an option is malformed.
    """
    return {
        "format": format or _format(output),
        "compression": compression or COMPRESSIONS.get(output.suffix.lower()),
        "start_date": start.date() if start else None,
        "end_date": end.date() if end else None,
        "account_ids": accounts,
        "tag_ids": tags,
        "enum_filters": _choices(choices or ()),
        "numeric_filters": _ranges(ranges or ()),
        "columns": [name for word in columns or () for name in word.split(",")] or None,
    }


def _format(output: Path) -> Format:
    endings = {ending.lower() for ending in output.suffixes}
    return next((kind for kind in Format if f".{kind}" in endings), Format.CSV)


def _choices(words: Iterable[str]) -> dict[str, list[str]] | None:
    """``name=value`` pairs as values by name; a name may occur several times."""
    found: dict[str, list[str]] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals):
            raise typer.BadParameter("Write it as NAME=VALUE.", param_hint="--where")
        found.setdefault(name, []).append(value)
    return found or None


def _ranges(words: Iterable[str]) -> "dict[str, Bounds] | None":
    """``name=min..max`` as bounds by name; a missing end is open."""
    found: dict[str, Bounds] = {}
    for word in words:
        name, equals, span = word.partition("=")
        low, dots, high = span.partition("..")
        if not (name and equals and dots):
            raise typer.BadParameter("Write it as NAME=MIN..MAX, NAME=MIN.. or NAME=..MAX.", param_hint="--range")
        bounds: Bounds = {}
        if low:
            bounds["min"] = low
        if high:
            bounds["max"] = high
        found[name] = bounds
    return found or None
