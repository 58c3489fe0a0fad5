"""Formats exports and datasets of a service as text and JSON. Requesting them belongs to ``remote``."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

import typer
from rich.filesize import decimal

from analytics_exports.cli.records import aligned
from analytics_exports.contract.responses import DatasetOut, ExportOut

HEADER = ("id", "dataset", "format", "status", "rows", "size", "created", "expires")
MINUTE, HOUR = 60, 3600


def exports_json(found: Sequence[ExportOut]) -> str:
    """All fields of each export."""
    return json.dumps({"exports": [facts.model_dump(mode="json") for facts in found]}, indent=2, ensure_ascii=False)


def exports_text(found: Sequence[ExportOut]) -> str:
    """A line for each export, below a header."""
    return aligned([HEADER, *map(_row, found)]) if found else "There are no exports."


def print_export(facts: ExportOut, *, as_json: bool) -> None:
    """Print everything about one export."""
    typer.echo(facts.model_dump_json(indent=2) if as_json else aligned(list(_facts(facts).items())))


def datasets_json(found: Sequence[DatasetOut]) -> str:
    """All fields of each dataset."""
    return json.dumps({"datasets": [item.model_dump(mode="json") for item in found]}, indent=2, ensure_ascii=False)


def datasets_text(found: Sequence[DatasetOut]) -> str:
    """A line for each dataset."""
    rows = [(item.dataset_name, str(item.id), item.friendly_name) for item in found]
    return aligned(rows) if rows else "There are no datasets."


def _row(facts: ExportOut) -> tuple[str, ...]:
    return (
        str(facts.job_id),
        facts.dataset_name,
        facts.format,
        facts.status,
        "" if facts.row_count is None else f"{facts.row_count:,}",
        "" if facts.file_size_bytes is None else decimal(facts.file_size_bytes),
        f"{facts.created_at:%Y-%m-%d %H:%M}",
        _time_left(facts.expires_at),
    )


def _facts(facts: ExportOut) -> dict[str, str]:
    lines = {name.replace("_", " "): value for name, value in facts.model_dump(mode="json").items()}
    lines.pop("columns")
    if facts.error:
        lines["error"] = f"{facts.error.code}: {facts.error.message}"
    return {name: str(value) for name, value in lines.items() if value is not None}


def _time_left(moment: datetime | None) -> str:
    """The time left until then, rounded."""
    seconds = (moment - datetime.now(UTC)).total_seconds() if moment else 0
    if seconds <= 0:
        return ""
    return f"in {seconds / HOUR:.0f} h" if seconds >= HOUR else f"in {max(1, seconds // MINUTE):.0f} min"
