"""Arrow IPC, the file format (Feather V2): typed, and fastest to load."""

from typing import BinaryIO, Literal

import polars as pl
import pyarrow as pa
from pydantic import Field
from typing_extensions import override

from analytics_exports.artifacts.arrow_tables import ArrowTables, metadata
from analytics_exports.artifacts.compression import NonClosingWriter
from analytics_exports.artifacts.formats import FileFormat, RowWriter
from analytics_exports.artifacts.layout import Layout
from analytics_exports.artifacts.warning_collector import WarningCollector
from analytics_exports.domain.formats import Format


class Arrow(FileFormat):
    """Arrow IPC file."""

    format = Format.ARROW

    compression: Literal["zstd", "lz4", "none"] = Field("zstd", description="Compression of the columns.")

    @override
    def open(self, file: BinaryIO, layout: Layout, warnings: WarningCollector) -> RowWriter[pa.Table]:
        """Write the schema."""
        return ArrowWriter(file, layout, None if self.compression == "none" else self.compression)

    @override
    def count(self, file: BinaryIO) -> int:
        """The rows of all batches listed in the footer."""
        return int(pa.ipc.open_file(file).count_rows())

    @override
    def read(self, file: BinaryIO) -> pl.DataFrame:
        """All batches."""
        return pl.DataFrame(pa.ipc.open_file(file).read_all())


class ArrowWriter:
    """Writes rows as Arrow record batches."""

    def __init__(self, file: BinaryIO, layout: Layout, compression: str | None) -> None:
        """Begin a file."""
        self._tables = ArrowTables(layout)
        schema = self._tables.schema.with_metadata(dict(metadata(layout)))
        options = pa.ipc.IpcWriteOptions(compression=compression)
        self._writer = pa.ipc.new_file(NonClosingWriter(file), schema, options=options)

    def encode(self, rows: pl.DataFrame) -> pa.Table:
        """A batch as a table."""
        return self._tables.table(rows)

    def write(self, encoded: pa.Table) -> None:
        """Write a table."""
        self._writer.write_table(encoded)

    def finish(self) -> None:
        """Write the footer."""
        self._writer.close()
