"""Columns of a spreadsheet as XML cells, as Polars expressions.

A cell is a number, a boolean or a text; dates and times are numbers with a format. What a spreadsheet cannot hold as a
number is text: numbers with more than 15 digits, numbers that are not finite, and dates that Excel's calendar has not.
A column is looked at batch by batch, so that only those with exceptions pay for them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from analytics_exports.artifacts.findings import Finding, Findings
from analytics_exports.artifacts.guard import begins, typed_by_people
from analytics_exports.artifacts.layout import Field
from analytics_exports.artifacts.texts import cell
from analytics_exports.artifacts.times import TimeStyle
from analytics_exports.artifacts.writers.sheet_numbers import Number, as_number
from analytics_exports.artifacts.writers.workbook import Style
from analytics_exports.domain.errors import TooLarge

ROW = "<row>"
"""The column of a batch that holds each row's number, as text."""

_LONGEST = 32_767
_CONTROLS = [chr(code) for code in (*range(9), 11, 12, *range(13, 32), 0xFFFE, 0xFFFF)]
ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", **{char: f"_x{ord(char):04X}_" for char in _CONTROLS}}
"""What stands for characters that XML has another use for, or none."""

LOOKS_ESCAPED = r"_x[0-9A-Fa-f]{4}_"
"""A text that holds this would be taken for an escape; ``_x005F_`` in place of its first character prevents that."""


@dataclass(frozen=True, slots=True)
class TextOptions:
    """Whether texts that begin like a formula are marked, and whether those that are too long are cut or refused."""

    guard: bool
    cut: bool


class SheetColumn(Protocol):
    """One column of a sheet."""

    def looks(self) -> Mapping[str, pl.Expr]:
        """What to find out about a batch, by name: each a number, the same for all rows."""

    def cells(self, seen: Mapping[str, int], rows: pl.DataFrame) -> pl.Expr:
        """The cells of the batch ``rows``, in which that was found; empty text for NULL."""


@dataclass(frozen=True, slots=True)
class Values:
    """Numbers, booleans, dates and times; ``text`` is what those are that cannot be numbers."""

    place: str
    name: str
    value: Number
    text: pl.Expr
    findings: Findings

    def looks(self) -> Mapping[str, pl.Expr]:
        """Whether there may be exceptions."""
        return {} if self.value.suspect is None else {"suspects": self.value.suspect.sum()}

    def cells(self, seen: Mapping[str, int], rows: pl.DataFrame) -> pl.Expr:
        """Cells with numbers, and with text for exceptions."""
        number, odd = self.value, self.value.odd
        plain = _cell(self.place, number.attributes, "<v>", number.text, "</v>")
        if odd is None or not seen["suspects"]:
            return plain.fill_null("")
        if number.finding:
            self.findings.add(number.finding, int(rows.select(odd.sum()).item()), self.name)
        text = _cell(self.place, pl.lit(' t="inlineStr"'), "<is><t>", self.text.cast(pl.String), "</t></is>")
        return pl.when(odd).then(text).otherwise(plain).fill_null("")


@dataclass(frozen=True, slots=True)
class Texts:
    """Text, and whatever is written as text.

    Attributes:
        guarded: Whether texts that begin like a formula are marked.
        cut: Whether texts that are too long are cut; refused otherwise.
    """

    place: str
    name: str
    value: pl.Expr
    findings: Findings
    guarded: bool
    cut: bool

    def looks(self) -> Mapping[str, pl.Expr]:
        """Whether something must be escaped, kept or cut, and how many begin like a formula."""
        looks = {
            "special": self.value.str.contains_any([*ESCAPES, "_x"]).any(),
            "edges": (self.value.str.strip_chars().str.len_bytes() != self.value.str.len_bytes()).any(),
            "longest": self.value.str.len_bytes().max(),
        }
        return {**looks, "formulas": begins(self.name).sum()} if self.guarded else looks

    def cells(self, seen: Mapping[str, int], rows: pl.DataFrame) -> pl.Expr:
        """Cells with texts."""
        value = self.value
        if (seen["longest"] or 0) > _LONGEST:
            value = self._fitting(rows)
        if seen["special"]:
            apart = pl.when(value.str.contains(LOOKS_ESCAPED)).then(
                value.str.replace_all("_x", "_x005F_x", literal=True)
            )
            value = apart.otherwise(value).str.replace_many(ESCAPES)
        space = ' xml:space="preserve"' if seen["edges"] else ""
        attributes = pl.lit(' t="inlineStr"')
        if seen.get("formulas"):
            self.findings.add(Finding.GUARDED_TEXTS, seen["formulas"], self.name)
            marked = pl.when(begins(self.name)).then(pl.lit(f' s="{Style.TEXT}" t="inlineStr"'))
            attributes = marked.otherwise(attributes)
        return _cell(self.place, attributes, f"<is><t{space}>", value, "</t></is>").fill_null("")

    def _fitting(self, rows: pl.DataFrame) -> pl.Expr:
        """Texts cut to what a cell holds; Excel counts characters beyond the basic plane twice."""
        twice = self.value.str.count_matches(r"[\x{10000}-\x{10FFFF}]")
        long = self.value.str.len_chars() + twice > _LONGEST
        found = int(rows.select(long.sum()).item())
        if found and not self.cut:
            raise TooLarge("A text is longer than the 32,767 characters that a cell can hold; choose another format.")
        self.findings.add(Finding.CUT_TEXTS, found, self.name)
        return pl.when(long).then(self.value.str.head(_LONGEST - twice)).otherwise(self.value)


def sheet_column(place: str, field: Field, style: TimeStyle, findings: Findings, options: TextOptions) -> SheetColumn:
    """The column of a sheet, at the place with these letters, for a column of a frame."""
    value = as_number(field, style)
    if value is not None:
        return Values(place, field.name, value, cell(field, style), findings)
    return Texts(place, field.name, cell(field, style), findings, options.guard and typed_by_people(field), options.cut)


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
