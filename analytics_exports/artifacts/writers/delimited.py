"""CSV (RFC 4180) in the dialect that a request asks for.

Values that are not text are converted here; Polars quotes and writes. NULL is an empty cell without quotes, the empty
text is ``""``. When NULL has a text of its own, every other text is quoted, so that the two can be distinguished.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, BinaryIO, Literal, Self, cast

import polars as pl
from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import override

from analytics_exports.artifacts import counting
from analytics_exports.artifacts.cells import FormulaGuard, cell_text, escaped
from analytics_exports.artifacts.compression import CollectedBytes, Compression, compressing, decompressing
from analytics_exports.artifacts.formats import FileFormat, RowWriter
from analytics_exports.artifacts.layout import Field as LayoutField
from analytics_exports.artifacts.layout import Layout
from analytics_exports.artifacts.options import DateFormat, Options, TimestampFormat, TimeZone
from analytics_exports.artifacts.warning_collector import WarningCode, WarningCollector
from analytics_exports.domain.formats import Format
from analytics_exports.encoding.times import TEMPORAL, TimeStyle, are_ordinary

_BOM = b"\xef\xbb\xbf"
_SHEET_ROWS = 1_048_576
_EXCEL = {"newline": "\r\n", "bom": True, "timestamp_format": "%Y-%m-%d %H:%M:%S%.f", "offset": False}
_PRESETS: Mapping[str, Mapping[str, object]] = {
    "standard": {},
    "excel": _EXCEL,
    "excel-eu": {**_EXCEL, "delimiter": ";", "decimal": ","},
}

NullText = Annotated[str, StringConstraints(max_length=16, pattern=r"^[^\x00-\x1f\",;|]*$")]


class Dialect(Options):
    """The dialect of a CSV file. A preset sets all of it; options given beside it take precedence."""

    preset: Literal["standard", "excel", "excel-eu"] = Field(
        "standard", description="excel: opens right in Excel; excel-eu: where numbers have a decimal comma."
    )
    delimiter: Literal[",", ";", "\t", "|"] = Field(",", description="Between two cells; excel-eu: semicolon.")
    newline: Literal["\n", "\r\n"] = Field("\n", description="At the end of a line; excel, excel-eu: CR LF.")
    header: Literal["name", "label", "none"] = Field(
        "name", description="First line: names of columns as in the warehouse, as words, or no such line."
    )
    bom: bool = Field(default=False, description="Begin with a byte order mark; excel, excel-eu: yes.")
    decimal: Literal[".", ","] = Field(".", description="Decimal mark of numbers; excel-eu: comma.")
    null: NullText = Field("", description="Text for NULL; when it is not empty, every other text is quoted.")
    quote_all: bool = Field(default=False, description="Quote every cell but NULL.")
    date_format: DateFormat = Field("%Y-%m-%d", description="Format of dates.")
    timestamp_format: TimestampFormat = Field(
        "%Y-%m-%dT%H:%M:%S%.f", description="Format of timestamps; excel, excel-eu: a space instead of T."
    )
    offset: bool = Field(
        default=True, description="End timestamps that have a zone with Z or an offset; excel, excel-eu: no."
    )
    formula_guard: bool = Field(default=True, description="Put an apostrophe before texts that begin like a formula.")

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, given: object) -> object:
        if not isinstance(given, dict) or not isinstance(given.get("preset"), str):
            return given
        return {**_PRESETS.get(given["preset"], {}), **given}

    @model_validator(mode="after")
    def _decimals_apart(self) -> Self:
        if self.delimiter == self.decimal:
            raise PydanticCustomError("decimal", "The delimiter and the decimal mark must differ.")
        return self


class Csv(FileFormat):
    """Comma-separated values."""

    format = Format.CSV

    compression: Compression = Field("none", description="Compress the file as a whole.")
    timezone: TimeZone = Field("UTC", description="Time zone in which timestamps that have one are written.")
    csv: Dialect = Field(default_factory=Dialect, description="How the file looks.")

    @override
    def open(self, file: BinaryIO, layout: Layout, warnings: WarningCollector) -> RowWriter[list[bytes]]:
        """Write the header."""
        return CsvWriter(compressing(file, self.compression), layout, self, warnings)

    @override
    def count(self, file: BinaryIO) -> int:
        """The records without the header."""
        return counting.count_records(decompressing(file, self.compression)) - (self.csv.header != "none")

    @override
    def read(self, file: BinaryIO) -> pl.DataFrame:
        """The cells, with inferred types."""
        return pl.read_csv(
            decompressing(file, self.compression).read(),
            has_header=self.csv.header != "none",
            separator=self.csv.delimiter,
            decimal_comma=self.csv.decimal == ",",
            null_values=[self.csv.null] if self.csv.null else None,
            infer_schema_length=None,
        )


class CsvWriter:
    """Writes rows as CSV."""

    def __init__(self, file: BinaryIO, layout: Layout, options: Csv, warnings: WarningCollector) -> None:
        """Begin a file with its header; ``file`` is closed at the end."""
        self._file = file
        self._options = options
        self._dialect = options.csv
        self._fields = layout.fields
        self._times = [field.name for field in layout.fields if isinstance(field.dtype, TEMPORAL)]
        self._warnings = warnings
        self._rows = 0
        self._guard = FormulaGuard(layout.fields if self._dialect.formula_guard else (), warnings)
        if self._dialect.bom:
            file.write(_BOM)
        if self._dialect.header != "none":
            self.write(_line(tuple(self._header(layout)), self._dialect))

    def encode(self, rows: pl.DataFrame) -> list[bytes]:
        """A batch as lines."""
        self._rows += rows.height
        ordinary = are_ordinary(rows[name] for name in self._times)
        guarded = {name: escaped(name) for name in self._guard.find(rows)}
        cells = {**_cells(self._fields, self._options, ordinary=ordinary), **guarded}
        return _lines(rows.lazy().select(cells.values()), self._dialect)

    def write(self, encoded: list[bytes]) -> None:
        """Write lines."""
        for chunk in encoded:
            self._file.write(chunk)

    def finish(self) -> None:
        """Flush the compression."""
        self._file.close()
        if self._dialect.preset != "standard" and self._rows >= _SHEET_ROWS:
            self._warnings.add(WarningCode.MANY_ROWS, self._rows)

    def _header(self, layout: Layout) -> list[str]:
        names = [field.name for field in layout.fields]
        if self._dialect.header == "label":
            names = [name.replace("_", " ").strip().capitalize() for name in names]
        return self._guard.escape_names(names) if self._dialect.formula_guard else names


@lru_cache
def _line(cells: tuple[str, ...], dialect: Dialect) -> list[bytes]:
    """One line of texts."""
    return _lines(pl.LazyFrame({str(at): [cell] for at, cell in enumerate(cells)}), dialect)


def _lines(cells: pl.LazyFrame, dialect: Dialect) -> list[bytes]:
    """Rows as lines. Polars uses all of its threads for a plan that is executed and written at once."""
    lines = CollectedBytes()
    cells.sink_csv(
        cast("BinaryIO", lines),
        include_header=False,
        separator=dialect.delimiter,
        line_terminator=dialect.newline,
        decimal_comma=dialect.decimal == ",",
        null_value=dialect.null,
        quote_style="non_numeric" if dialect.quote_all or dialect.null else "necessary",
    )
    return lines.chunks


@lru_cache
def _cells(fields: tuple[LayoutField, ...], options: Csv, *, ordinary: bool) -> Mapping[str, pl.Expr]:
    """The cells of each column. Kept, because building them takes longer than writing a few hundred rows.

    Args:
        ordinary: Whether all dates and timestamps are (see ``encoding.times``).
    """
    dialect = options.csv
    style = TimeStyle(dialect.date_format, dialect.timestamp_format, options.timezone, dialect.offset, ordinary)
    cells: dict[str, pl.Expr] = {}
    for field in fields:
        value = cell_text(field, style)
        if dialect.quote_all and (field.dtype.is_numeric() or isinstance(field.dtype, pl.Boolean)):
            value = value.cast(pl.String)
            value = value.str.replace(".", dialect.decimal, literal=True) if dialect.decimal != "." else value
        cells[field.name] = value.alias(field.name)
    return cells
