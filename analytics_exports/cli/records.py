"""Formats users and tokens as text and JSON."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from analytics_exports.domain.access import Token, UserRecord


def of_user(user: "UserRecord") -> dict[str, Any]:
    """The fields of a user."""
    return {
        "id": str(user.id),
        "label": user.label,
        "owner_key": user.owner_key,
        "created_at": _time(user.created_at),
        "disabled_at": _time(user.disabled_at),
    }


def of_token(token: "Token") -> dict[str, Any]:
    """The fields of a token, without its secret."""
    return {
        "id": str(token.id),
        "name": token.name,
        "scopes": sorted(token.scopes),
        "created_at": _time(token.created_at),
        "expires_at": _time(token.expires_at),
        "revoked_at": _time(token.revoked_at),
        "last_used_at": _time(token.last_used_at),
    }


def print_one(record: Mapping[str, Any], word: str, *, as_json: bool) -> None:
    """Print a record as JSON, or only its main value for scripts."""
    typer.echo(as_object(record) if as_json else word)


def print_all(noun: str, found: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    """Print records as JSON, or as lines below a header."""
    if as_json:
        typer.echo(as_object({noun: found}))
    elif found:
        rows = [tuple(_cell(value) for value in item.values()) for item in found]
        typer.echo(aligned([tuple(name.removesuffix("_at").replace("_", " ") for name in found[0]), *rows]))
    else:
        typer.echo(f"There are no {noun}.")


def as_object(record: Mapping[str, Any]) -> str:
    """Indented JSON."""
    return json.dumps(record, indent=2, ensure_ascii=False)


def _time(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None


def _cell(value: object) -> str:
    return ", ".join(value) if isinstance(value, list) else str(value or "")


def aligned(rows: Sequence[tuple[str, ...]]) -> str:
    """Rows of cells in columns as wide as their widest cell; nothing for no rows."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)
