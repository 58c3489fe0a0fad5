"""XLSX: an Office Open XML workbook, streamed.

Rows become XML by Polars expressions and are compressed as they come, so memory does not grow with the file. A sheet
that is full is followed by another one with the same header. The last sheet, About, holds the facts of the export, the
time zone of its timestamps, and what is known of its columns.
"""

import zipfile
from typing import BinaryIO, Literal

import polars as pl
from pydantic import Field
from typing_extensions import override

from analytics_exports.artifacts import counting
from analytics_exports.artifacts.findings import Finding, Findings
from analytics_exports.artifacts.formats import FileFormat, RowWriter
from analytics_exports.artifacts.guard import TRIGGERS
from analytics_exports.artifacts.layout import Layout
from analytics_exports.artifacts.options import Options, TimeZone
from analytics_exports.artifacts.package import Package
from analytics_exports.artifacts.times import TimeStyle
from analytics_exports.artifacts.writers import workbook
from analytics_exports.artifacts.writers.sheet import Sheet, about_sheet
from analytics_exports.artifacts.writers.sheet_columns import TextOptions, sheet_column
from analytics_exports.domain.errors import TooLarge
from analytics_exports.domain.formats import Format

_MOST_ROWS, _MOST_COLUMNS = 1_048_576, 16_384
_MOST_BYTES = 2**32 - 2**28
"""Of XML in one sheet: a zip that every program reads has no larger files, and a batch must still fit."""

_LEVEL = 2
"""Of compression: fastest on this XML, and within a sixth of the smallest."""


class Workbook(Options):
    """How a workbook looks."""

    formula_guard: bool = Field(
        default=True, description="Mark texts that begin like a formula as text, so that editing them is safe too."
    )
    long_texts: Literal["refuse", "cut"] = Field(
        "refuse", description="What happens to a text of more than 32,767 characters, which no cell can hold."
    )
    rows_per_sheet: int = Field(
        _MOST_ROWS - 1, ge=1, lt=_MOST_ROWS, description="Rows after which another sheet begins; not counting headers."
    )
    several_sheets: bool = Field(default=True, description="Allow more than one sheet; refused otherwise.")


class Xlsx(FileFormat):
    """A workbook for Excel."""

    format = Format.XLSX

    timezone: TimeZone = Field("UTC", description="Time zone in which timestamps that have one are written.")
    xlsx: Workbook = Field(default_factory=Workbook, description="How the workbook looks.")

    @override
    def open(self, file: BinaryIO, layout: Layout, findings: Findings) -> RowWriter:
        """Begin the first sheet."""
        return XlsxWriter(file, layout, self, findings)

    @override
    def count(self, file: BinaryIO) -> int:
        """The rows of all sheets but the last, without their headers."""
        with zipfile.ZipFile(file) as package:
            names = [name for name in package.namelist() if name.startswith(workbook.SHEETS)]
            return sum(_rows(package, name) - 1 for name in names[:-1])


class XlsxWriter:
    """Writes rows as sheets of a workbook."""

    def __init__(self, file: BinaryIO, layout: Layout, options: Xlsx, findings: Findings) -> None:
        """Begin a workbook."""
        if len(layout.fields) > _MOST_COLUMNS:
            raise TooLarge("The dataset has more columns than a sheet can hold; choose some, or another format.")
        self._layout, self._options, self._findings = layout, options, findings
        self._package = Package(file, zipfile.ZIP_DEFLATED, _LEVEL)
        style = TimeStyle(timestamp="%Y-%m-%d %H:%M:%S%.f", timezone=options.timezone, offset=False)
        texts = TextOptions(guard=options.xlsx.formula_guard, cut=options.xlsx.long_texts == "cut")
        self._columns = [
            sheet_column(workbook.place(number), field, style, findings, texts)
            for number, field in enumerate(layout.fields)
        ]
        names = [field.name for field in layout.fields]
        self._header = names
        if options.xlsx.formula_guard:
            findings.add(Finding.GUARDED_NAMES, sum(name.startswith(TRIGGERS) for name in names))
        self._sheets = 0
        self._sheet = self._next_sheet()

    def write(self, rows: pl.DataFrame) -> None:
        """Write a batch, on as many sheets as it takes."""
        while rows.height:
            room = self._options.xlsx.rows_per_sheet - self._sheet.rows
            if not room or self._sheet.file.size > _MOST_BYTES:
                self._sheet.finish()
                self._sheet = self._next_sheet()
                continue
            self._sheet.write(rows.head(room))
            rows = rows.slice(room)

    def finish(self) -> None:
        """Write the last sheet, and what is around the sheets."""
        self._sheet.finish()
        titles = ["Data", *(f"Data {number}" for number in range(2, self._sheets + 1)), "About"]
        self._package.add_text(workbook.sheet_name(len(titles)), about_sheet(self._layout, self._options.timezone))
        for name, text in workbook.parts(titles):
            self._package.add_text(name, text)
        self._package.close()
        if self._sheets > 1:
            self._findings.add(Finding.MANY_SHEETS, self._sheets)

    def _next_sheet(self) -> Sheet:
        if self._sheets and not self._options.xlsx.several_sheets:
            raise TooLarge("The rows do not fit on one sheet; choose another format, or narrow the selection.")
        self._sheets += 1
        return Sheet(self._package.add(workbook.sheet_name(self._sheets)), self._header, self._columns)


def _rows(package: zipfile.ZipFile, name: str) -> int:
    with package.open(name) as sheet:
        return counting.occurrences(sheet, b"<row ")
