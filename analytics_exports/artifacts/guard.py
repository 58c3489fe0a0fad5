"""The formula guard: no text of a file may start a computation in the spreadsheet that opens it.

Excel, LibreOffice and Google Sheets take a cell for a formula by its first character (CWE-1236). In CSV an apostrophe
is put before it, as OWASP advises; XLSX has a mark for it (``writers.spreadsheet``). Only text that people can have
typed is looked at: numbers, dates and JSON never begin a formula, and negative numbers stay what they are.
"""

from collections.abc import Iterable

import polars as pl

from analytics_exports.artifacts.findings import Finding, Findings
from analytics_exports.artifacts.layout import Field

TRIGGERS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")  # noqa: RUF001 - full-width forms count too
"""What a formula can begin with."""

_TEXT_KINDS = frozenset({"", "enum", "varchar"})


def typed_by_people(field: Field) -> bool:
    """Whether the cells of a column can hold any text."""
    return isinstance(field.dtype, pl.String) and field.kind.name in _TEXT_KINDS


class FormulaGuard:
    """Finds texts that begin like a formula, and counts them."""

    def __init__(self, fields: Iterable[Field], findings: Findings) -> None:
        """Look at those of ``fields`` that can hold any text."""
        self._names = [field.name for field in fields if typed_by_people(field)]
        self._findings = findings

    def escaped(self, rows: pl.DataFrame) -> pl.DataFrame:
        """``rows`` with an apostrophe before each such text."""
        found = self.found(rows)
        return rows.with_columns(
            pl.when(begins(name)).then("'" + pl.col(name)).otherwise(name).alias(name) for name in found
        )

    def found(self, rows: pl.DataFrame) -> list[str]:
        """The columns with such texts, after counting these."""
        if not self._names:
            return []
        counts = rows.select(begins(name).sum() for name in self._names).row(0, named=True)
        found = {name: count for name, count in counts.items() if count}
        for name, count in found.items():
            self._findings.add(Finding.GUARDED_TEXTS, count, name)
        return list(found)

    def header(self, names: Iterable[str]) -> list[str]:
        """Names of columns with an apostrophe before those that begin like a formula."""
        given = list(names)
        self._findings.add(Finding.GUARDED_NAMES, sum(name.startswith(TRIGGERS) for name in given))
        return [f"'{name}" if name.startswith(TRIGGERS) else name for name in given]


def begins(name: str) -> pl.Expr:
    """Whether a text begins like a formula."""
    return pl.col(name).str.head(1).is_in(TRIGGERS)
