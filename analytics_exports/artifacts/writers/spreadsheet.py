"""XLSX: an Office Open XML workbook, streamed.

Rows are converted to XML by Polars expressions and compressed as they arrive, so memory does not grow with the file. A
full sheet is followed by another with the same header. The last sheet, About, contains the facts of the export, the
time zone of its timestamps, and the descriptions of its columns.
"""

import zipfile
from typing import BinaryIO, Literal

import polars as pl
from pydantic import Field
from typing_extensions import override

from analytics_exports.artifacts import counting
from analytics_exports.artifacts.cells import TRIGGERS
from analytics_exports.artifacts.compression import ZipWriter
from analytics_exports.artifacts.formats import FileFormat, RowWriter
from analytics_exports.artifacts.layout import Layout
from analytics_exports.artifacts.options import Options, TimeZone
from analytics_exports.artifacts.warning_collector import WarningCode, WarningCollector
from analytics_exports.artifacts.writers import workbook
from analytics_exports.artifacts.writers.sheet import Sheet, about_sheet
from analytics_exports.artifacts.writers.sheet_columns import TextOptions, sheet_column
from analytics_exports.domain.errors import TooLarge
from analytics_exports.domain.formats import Format
from analytics_exports.encoding.times import TimeStyle

_MAX_ROWS, _MAX_COLUMNS = 1_048_576, 16_384
_MAX_BYTES = 2**32 - 2**28
"""XML bytes in one sheet: files in a zip that every program reads are smaller than 4 GiB, and one more batch must fit.
"""

_ROWS_AT_ONCE = 4_096
"""Rows that are XML in memory at a time: a row takes several times the bytes that it has in other formats."""

_LEVEL = 2
"""Compression level: fastest on this XML, and within a sixth of the smallest."""


class Workbook(Options):
    """Options of a workbook."""

    formula_guard: bool = Field(
        default=True, description="Mark texts that begin like a formula as text, so that editing them is safe too."
    )
    long_texts: Literal["refuse", "cut"] = Field(
        "refuse", description="What happens to a text of more than 32,767 characters, which no cell can hold."
    )
    rows_per_sheet: int = Field(
        _MAX_ROWS - 1, ge=1, lt=_MAX_ROWS, description="Rows after which another sheet begins; not counting headers."
    )
    several_sheets: bool = Field(default=True, description="Allow more than one sheet; refused otherwise.")


class Xlsx(FileFormat):
    """A workbook for Excel."""

    format = Format.XLSX

    timezone: TimeZone = Field("UTC", description="Time zone in which timestamps that have one are written.")
    xlsx: Workbook = Field(default_factory=Workbook, description="How the workbook looks.")

    @override
    def open(self, file: BinaryIO, layout: Layout, warnings: WarningCollector) -> RowWriter[pl.DataFrame]:
        """Begin the first sheet."""
        return XlsxWriter(file, layout, self, warnings)

    @override
    def count(self, file: BinaryIO) -> int:
        """The rows of all sheets but the last (About), without headers."""
        with zipfile.ZipFile(file) as package:
            names = [name for name in package.namelist() if name.startswith(workbook.SHEETS)]
            return sum(_rows(package, name) - 1 for name in names[:-1])


class XlsxWriter:
    """Writes rows as sheets of a workbook."""

    def __init__(self, file: BinaryIO, layout: Layout, options: Xlsx, warnings: WarningCollector) -> None:
        """Begin a workbook."""
        if len(layout.fields) > _MAX_COLUMNS:
            raise TooLarge("The dataset has more columns than a sheet can hold; choose some, or another format.")
        self._layout, self._options, self._warnings = layout, options, warnings
        self._package = ZipWriter(file, zipfile.ZIP_DEFLATED, _LEVEL)
        style = TimeStyle(timestamp="%Y-%m-%d %H:%M:%S%.f", timezone=options.timezone, offset=False)
        texts = TextOptions(guard=options.xlsx.formula_guard, cut=options.xlsx.long_texts == "cut")
        self._columns = [
            sheet_column(workbook.column_letters(number), field, style, warnings, texts)
            for number, field in enumerate(layout.fields)
        ]
        names = [field.name for field in layout.fields]
        self._header = names
        if options.xlsx.formula_guard:
            warnings.add(WarningCode.FORMULA_NAMES, sum(name.startswith(TRIGGERS) for name in names))
        self._sheets = 0
        self._sheet = self._next_sheet()

    def encode(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows themselves: their cells contain the numbers of the rows on the sheet."""
        return rows

    def write(self, encoded: pl.DataFrame) -> None:
        """Write a batch, on as many sheets as needed."""
        rows = encoded
        while rows.height:
            room = min(_ROWS_AT_ONCE, self._options.xlsx.rows_per_sheet - self._sheet.rows)
            if not room or self._sheet.file.size > _MAX_BYTES:
                self._sheet.finish()
                self._sheet = self._next_sheet()
                continue
            self._sheet.write(rows.head(room))
            rows = rows.slice(room)

    def finish(self) -> None:
        """End the last sheet, and write the parts around the sheets."""
        self._sheet.finish()
        titles = ["Data", *(f"Data {number}" for number in range(2, self._sheets + 1)), "About"]
        self._package.add_text(workbook.sheet_name(len(titles)), about_sheet(self._layout, self._options.timezone))
        for name, text in workbook.parts(titles):
            self._package.add_text(name, text)
        self._package.close()
        if self._sheets > 1:
            self._warnings.add(WarningCode.MANY_SHEETS, self._sheets)

    def _next_sheet(self) -> Sheet:
        if self._sheets and not self._options.xlsx.several_sheets:
            raise TooLarge("The rows do not fit on one sheet; choose another format, or narrow the selection.")
        self._sheets += 1
        return Sheet(self._package.add(workbook.sheet_name(self._sheets)), self._header, self._columns)


def _rows(package: zipfile.ZipFile, name: str) -> int:
    with package.open(name) as sheet:
        return counting.count_occurrences(sheet, b"<row ")
