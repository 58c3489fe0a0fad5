"""Columns of a spreadsheet as XML cells, as Polars expressions.

A cell is a number, a boolean or text; dates and times are numbers with a format. Values that a spreadsheet cannot
represent as numbers are text: numbers with more than 15 digits, numbers that are not finite, and dates outside Excel's
calendar. Each batch is measured first, so that only columns with exceptions pay for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from analytics_exports.artifacts.cells import cell_text, is_free_text, starts_like_formula
from analytics_exports.artifacts.layout import Field
from analytics_exports.artifacts.warning_collector import WarningCode, WarningCollector
from analytics_exports.artifacts.writers.sheet_numbers import NumberCells, as_number
from analytics_exports.artifacts.writers.workbook import Style
from analytics_exports.domain.errors import TooLarge
from analytics_exports.encoding.times import TimeStyle

ROW = "<row>"
"""The column of a batch with the number of each row, as text."""

_MAX_CELL_CHARACTERS = 32_767
_CONTROLS = [chr(code) for code in (*range(9), 11, 12, *range(13, 32), 0xFFFE, 0xFFFF)]
ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", **{char: f"_x{ord(char):04X}_" for char in _CONTROLS}}
"""Escapes of characters that have a meaning in XML, or that it does not allow."""

LOOKS_ESCAPED = r"_x[0-9A-Fa-f]{4}_"
"""Text that contains this would be read as an escape; ``_x005F_`` in place of its first character prevents that."""


@dataclass(frozen=True, slots=True)
class TextOptions:
    """Whether text that starts like a formula is marked, and whether text that is too long is truncated or refused."""

    guard: bool
    cut: bool


class SheetColumn(Protocol):
    """One column of a sheet."""

    def measures(self) -> Mapping[str, pl.Expr]:
        """What to measure in a batch, by name: each a single number."""

    def cells(self, seen: Mapping[str, int], rows: pl.DataFrame) -> pl.Expr:
        """The cells of the batch ``rows``, for which ``seen`` was measured; empty text for NULL."""


@dataclass(frozen=True, slots=True)
class NumberColumn:
    """Numbers, booleans, dates and times. ``text`` is the text of those that cannot be numbers."""

    place: str
    name: str
    value: NumberCells
    text: pl.Expr
    warnings: WarningCollector

    def measures(self) -> Mapping[str, pl.Expr]:
        """Whether there may be exceptions."""
        return (
            {} if self.value.may_be_unrepresentable is None else {"suspects": self.value.may_be_unrepresentable.sum()}
        )

    def cells(self, seen: Mapping[str, int], rows: pl.DataFrame) -> pl.Expr:
        """Cells with numbers, and with text for exceptions."""
        number, odd = self.value, self.value.unrepresentable
        plain = _cell(self.place, number.attributes, "<v>", number.text, "</v>")
        if odd is None or not seen["suspects"]:
            return plain.fill_null("")
        if number.warning:
            self.warnings.add(number.warning, int(rows.select(odd.sum()).item()), self.name)
        text = _cell(self.place, pl.lit(' t="inlineStr"'), "<is><t>", self.text.cast(pl.String), "</t></is>")
        return pl.when(odd).then(text).otherwise(plain).fill_null("")


@dataclass(frozen=True, slots=True)
class TextColumn:
    """Text, and everything that is written as text.

    Attributes:
        guarded: Whether text that starts like a formula is marked.
        cut: Whether text that is too long is truncated; refused otherwise.
    """

    place: str
    name: str
    value: pl.Expr
    warnings: WarningCollector
    guarded: bool
    cut: bool

    def measures(self) -> Mapping[str, pl.Expr]:
        """Whether text must be escaped, preserved or truncated, and how many start like a formula."""
        looks = {
            "special": self.value.str.contains_any([*ESCAPES, "_x"]).any(),
            "edges": (self.value.str.strip_chars().str.len_bytes() != self.value.str.len_bytes()).any(),
            "longest": self.value.str.len_bytes().max(),
        }
        return {**looks, "formulas": starts_like_formula(self.name).sum()} if self.guarded else looks

    def cells(self, seen: Mapping[str, int], rows: pl.DataFrame) -> pl.Expr:
        """Cells with text."""
        value = self.value
        if (seen["longest"] or 0) > _MAX_CELL_CHARACTERS:
            value = self._fitting(rows)
        if seen["special"]:
            apart = pl.when(value.str.contains(LOOKS_ESCAPED)).then(
                value.str.replace_all("_x", "_x005F_x", literal=True)
            )
            value = apart.otherwise(value).str.replace_many(ESCAPES)
        space = ' xml:space="preserve"' if seen["edges"] else ""
        attributes = pl.lit(' t="inlineStr"')
        if seen.get("formulas"):
            self.warnings.add(WarningCode.FORMULA_TEXTS, seen["formulas"], self.name)
            marked = pl.when(starts_like_formula(self.name)).then(pl.lit(f' s="{Style.TEXT}" t="inlineStr"'))
            attributes = marked.otherwise(attributes)
        return _cell(self.place, attributes, f"<is><t{space}>", value, "</t></is>").fill_null("")

    def _fitting(self, rows: pl.DataFrame) -> pl.Expr:
        """Text truncated to the limit of a cell; Excel counts characters outside the Basic Multilingual Plane twice."""
        twice = self.value.str.count_matches(r"[\x{10000}-\x{10FFFF}]")
        long = self.value.str.len_chars() + twice > _MAX_CELL_CHARACTERS
        found = int(rows.select(long.sum()).item())
        if found and not self.cut:
            raise TooLarge("A text is longer than the 32,767 characters that a cell can hold; choose another format.")
        self.warnings.add(WarningCode.TRUNCATED_TEXTS, found, self.name)
        return pl.when(long).then(self.value.str.head(_MAX_CELL_CHARACTERS - twice)).otherwise(self.value)


def sheet_column(
    place: str, field: Field, style: TimeStyle, warnings: WarningCollector, options: TextOptions
) -> SheetColumn:
    """The column of a sheet with these letters, for a column of a frame."""
    value = as_number(field, style)
    if value is not None:
        return NumberColumn(place, field.name, value, cell_text(field, style), warnings)
    return TextColumn(
        place, field.name, cell_text(field, style), warnings, options.guard and is_free_text(field), options.cut
    )


def _cell(place: str, attributes: pl.Expr, opened: str, content: pl.Expr, closed: str) -> pl.Expr:
    """A cell; NULL where the content is."""
    return pl.concat_str(
        [
            pl.lit(f'<c r="{place}'),
            pl.col(ROW),
            pl.lit('"'),
            attributes,
            pl.lit(f">{opened}"),
            content,
            pl.lit(f"{closed}</c>"),
        ]
    )
