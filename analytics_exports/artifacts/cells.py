"""Values in cells of CSV and XLSX: as text, and guarded against formulas.

Text is unchanged, as are UUIDs, intervals and everything else that is text in the frame. Dates and times follow the
request's style, blobs are hexadecimal digits, nested values are JSON. Numbers and booleans keep their types: the format
spells them. NULL stays NULL.

No text may start a formula in the spreadsheet that opens the file. Excel, LibreOffice and Google Sheets recognise a
formula by its first character (CWE-1236). In CSV an apostrophe is put before such text, as OWASP advises; XLSX has a
cell style for it (``writers.spreadsheet``). Only free text is checked: numbers, dates and JSON never start a formula,
and negative numbers stay as they are.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache

import polars as pl

from analytics_exports.artifacts.layout import Field
from analytics_exports.artifacts.warning_collector import WarningCode, WarningCollector
from analytics_exports.encoding.json_values import to_json
from analytics_exports.encoding.times import TEMPORAL, TimeStyle

TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")  # noqa: RUF001 - full-width forms count too
"""Characters that can start a formula."""

_TEXT_KINDS = frozenset({"enum", "unknown", "varchar"})


def cell_text(field: Field, style: TimeStyle) -> pl.Expr:
    """The cells of a column, under its name."""
    value, dtype = pl.col(field.name), field.dtype
    if isinstance(dtype, TEMPORAL):
        return style.text(value, dtype)
    if isinstance(dtype, pl.Binary):
        return value.bin.encode("hex")
    if dtype.is_nested():
        return pl.when(value.is_not_null()).then(to_json(value, dtype, field.type))
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return value.cast(pl.String)
    return value


def is_free_text(field: Field) -> bool:
    """Whether the cells of a column can contain any text."""
    return isinstance(field.dtype, pl.String) and field.type.kind in _TEXT_KINDS


class FormulaGuard:
    """Finds and counts text that starts like a formula."""

    def __init__(self, fields: Iterable[Field], warnings: WarningCollector) -> None:
        """Check those of ``fields`` that contain free text."""
        self._names = tuple(field.name for field in fields if is_free_text(field))
        self._warnings = warnings

    def find(self, rows: pl.DataFrame) -> list[str]:
        """The columns with such text. Adds warnings."""
        if not self._names:
            return []
        counts = rows.select(_formula_counts(self._names)).row(0, named=True)
        found = {name: count for name, count in counts.items() if count}
        for name, count in found.items():
            self._warnings.add(WarningCode.FORMULA_TEXTS, count, name)
        return list(found)

    def escape_names(self, names: Iterable[str]) -> list[str]:
        """Column names with an apostrophe before those that start like a formula."""
        given = list(names)
        self._warnings.add(WarningCode.FORMULA_NAMES, sum(name.startswith(TRIGGERS) for name in given))
        return [f"'{name}" if name.startswith(TRIGGERS) else name for name in given]


def starts_like_formula(name: str) -> pl.Expr:
    """Whether a text starts like a formula."""
    return pl.col(name).str.head(1).is_in(TRIGGERS)


@lru_cache
def _formula_counts(names: tuple[str, ...]) -> Sequence[pl.Expr]:
    """For each of these columns, how many texts start like a formula."""
    return [starts_like_formula(name).sum() for name in names]


@lru_cache
def escaped(name: str) -> pl.Expr:
    """The texts of a column, with an apostrophe before each that starts like a formula."""
    return pl.when(starts_like_formula(name)).then("'" + pl.col(name)).otherwise(name).alias(name)
