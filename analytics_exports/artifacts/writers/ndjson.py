"""NDJSON: one JSON object per line, UTF-8, values as ``encoding.json_values`` defines."""

from functools import lru_cache
from typing import BinaryIO, cast

import polars as pl
from pydantic import Field
from typing_extensions import override

from analytics_exports.artifacts import counting
from analytics_exports.artifacts.compression import CollectedBytes, Compression, compressing, decompressing
from analytics_exports.artifacts.formats import FileFormat, RowWriter
from analytics_exports.artifacts.layout import Field as LayoutField
from analytics_exports.artifacts.layout import Layout
from analytics_exports.artifacts.options import TimeZone
from analytics_exports.artifacts.warning_collector import WarningCollector
from analytics_exports.domain.formats import Format
from analytics_exports.encoding.json_values import contains_times, to_object
from analytics_exports.encoding.times import TEMPORAL, TimeStyle, are_ordinary


class Ndjson(FileFormat):
    """Newline-delimited JSON."""

    format = Format.NDJSON

    compression: Compression = Field("none", description="Compress the file as a whole.")
    timezone: TimeZone = Field("UTC", description="Time zone in which timestamps that have one are written.")

    @override
    def open(self, file: BinaryIO, layout: Layout, warnings: WarningCollector) -> RowWriter[list[bytes]]:
        """Begin a file; it has no header."""
        return NdjsonWriter(compressing(file, self.compression), layout, self.timezone)

    @override
    def count(self, file: BinaryIO) -> int:
        """The lines; newlines inside values are escaped."""
        return counting.count_lines(decompressing(file, self.compression))

    @override
    def read(self, file: BinaryIO) -> pl.DataFrame:
        """The values of the objects; values for which JSON has no type, and 64-bit integers, are text."""
        return pl.read_ndjson(decompressing(file, self.compression).read(), infer_schema_length=None)


class NdjsonWriter:
    """Writes rows as lines of JSON."""

    def __init__(self, file: BinaryIO, layout: Layout, timezone: str) -> None:
        """Begin a file; it is closed at the end."""
        self._fields = layout.fields
        self._times = [field.name for field in layout.fields if isinstance(field.dtype, TEMPORAL)]
        self._nested_times = any(field.dtype.is_nested() and contains_times(field.dtype) for field in layout.fields)
        self._timezone = timezone
        self._file = file

    def encode(self, rows: pl.DataFrame) -> list[bytes]:
        """A batch as lines."""
        ordinary = not self._nested_times and are_ordinary(rows[name] for name in self._times)
        line = _line(self._fields, self._timezone, ordinary=ordinary)
        lines = CollectedBytes()
        rows.lazy().select(line).sink_csv(cast("BinaryIO", lines), include_header=False, quote_style="never")
        return lines.chunks

    def write(self, encoded: list[bytes]) -> None:
        """Write lines."""
        for chunk in encoded:
            self._file.write(chunk)

    def finish(self) -> None:
        """Flush the compression."""
        self._file.close()


@lru_cache
def _line(fields: tuple[LayoutField, ...], timezone: str, *, ordinary: bool) -> pl.Expr:
    """A row as JSON. Kept, because building it takes longer than writing a few hundred rows.

    Args:
        ordinary: Whether all dates and timestamps are (see ``encoding.times``).
    """
    members = [(field.name, pl.col(field.name), field.dtype, field.type) for field in fields]
    return to_object(members, TimeStyle(timezone=timezone, ordinary=ordinary)).alias("line")
