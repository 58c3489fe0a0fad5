"""NDJSON: one JSON object per line, UTF-8, values as ``encoding.json_values`` defines."""

from typing import BinaryIO

import polars as pl
from pydantic import Field
from typing_extensions import override

from analytics_exports.artifacts import counting
from analytics_exports.artifacts.compression import Compression, compressing, decompressing
from analytics_exports.artifacts.formats import FileFormat, RowWriter
from analytics_exports.artifacts.layout import Layout
from analytics_exports.artifacts.options import TimeZone
from analytics_exports.artifacts.warning_collector import WarningCollector
from analytics_exports.domain.formats import Format
from analytics_exports.encoding.json_values import to_object
from analytics_exports.encoding.times import TimeStyle


class Ndjson(FileFormat):
    """Newline-delimited JSON."""

    format = Format.NDJSON

    compression: Compression = Field("none", description="Compress the file as a whole.")
    timezone: TimeZone = Field("UTC", description="Time zone in which timestamps that have one are written.")

    @override
    def open(self, file: BinaryIO, layout: Layout, warnings: WarningCollector) -> RowWriter:
        """Begin a file; it has no header."""
        return NdjsonWriter(compressing(file, self.compression), layout, TimeStyle(timezone=self.timezone))

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

    def __init__(self, file: BinaryIO, layout: Layout, style: TimeStyle) -> None:
        """Begin a file; it is closed at the end."""
        members = [(field.name, pl.col(field.name), field.dtype, field.type) for field in layout.fields]
        self._line = to_object(members, style).alias("line")
        self._file = file

    def write(self, rows: pl.DataFrame) -> None:
        """Write a batch."""
        rows.select(self._line).write_csv(self._file, include_header=False, quote_style="never")

    def finish(self) -> None:
        """Flush the compression."""
        self._file.close()
