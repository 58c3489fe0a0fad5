"""Compares an exported CSV file with the warehouse, independently of the service's code.

The rows are selected by SQL written here, and the file is read by Python's CSV reader. Nothing from ``warehouse``,
``artifacts`` or ``catalogue`` may be used: a shared mistake would go unnoticed.
"""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from itertools import zip_longest
from pathlib import Path
from uuid import UUID

import duckdb

QUERY = """
SELECT * FROM fct_transactions
WHERE user_id = $owner AND booking_date BETWEEN $first AND $last
ORDER BY transaction_id
"""
KEY = "transaction_id"

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")  # noqa: RUF001 (spreadsheets know them)
"""Text that begins with these is written with an apostrophe before it, so that a spreadsheet does not evaluate it."""

READERS: tuple[tuple[type, Callable[[str], object]], ...] = (
    (bool, {"true": True, "false": False}.get),
    (datetime, datetime.fromisoformat),
    (date, date.fromisoformat),
    (int, Decimal),
    (Decimal, Decimal),
    (UUID, UUID),
    (object, str),
)
"""How the text of a cell is parsed, by the type of the expected value; the first that fits."""


@dataclass(frozen=True, slots=True)
class Table:
    """Expected rows, ordered by id."""

    names: list[str]
    rows: list[tuple[object, ...]]


def expected_rows(warehouse: Path, owner: str, first: date, last: date) -> Table:
    """One owner's transactions in a range of days, both inclusive."""
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        result = connection.execute(QUERY, {"owner": owner, "first": first, "last": last})
        return Table([column[0] for column in result.description], result.fetchall())


def differences(file: Path, expected: Table) -> list[str]:
    """The differences between file and expected rows, in words; empty when there are none."""
    with file.open(encoding="utf-8", newline="") as lines:
        reader = csv.reader(lines)
        header = next(reader, [])
        if header != expected.names:
            return [f"the columns are {', '.join(header)}, not {', '.join(expected.names)}"]
        key = header.index(KEY)
        found = sorted(reader, key=lambda row: row[key : key + 1])
    pairs = zip_longest(expected.rows, found, fillvalue=())
    wrong = sum(not same_row(values, texts) for values, texts in pairs)
    counts = [] if len(found) == len(expected.rows) else [f"there are {len(found)} rows, not {len(expected.rows)}"]
    return [*counts, *([f"{wrong} rows differ"] if wrong else [])]


def same_row(values: tuple[object, ...], texts: list[str] | tuple[()]) -> bool:
    """Whether every cell matches its value."""
    return len(values) == len(texts) and all(map(same_cell, values, texts))


def same_cell(value: object, text: str) -> bool:
    """Whether ``text`` represents ``value``, parsed by the value's type; NULL is an empty cell."""
    if value is None:
        return text == ""
    if isinstance(value, str):
        return text == (f"'{value}" if value.startswith(FORMULA_STARTS) else value)
    try:
        if isinstance(value, list):
            return same_row(tuple(value), [str(item) for item in json.loads(text)])
        read = next(reader for kind, reader in READERS if isinstance(value, kind))
        return bool(read(text) == value)
    except (ValueError, ArithmeticError):  # malformed for its type
        return False
