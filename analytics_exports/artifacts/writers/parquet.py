"""Parquet: small and typed.

Row groups have 122,880 rows, DuckDB's size. They have statistics, which readers use to skip row groups, but for texts
that hardly repeat: those would take a fifth of the time and let nothing be skipped. The facts of the export are in the
key-value metadata.
"""

import io
from typing import BinaryIO, Literal

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field
from typing_extensions import override

from analytics_exports.artifacts.arrow_tables import ArrowTables, metadata
from analytics_exports.artifacts.compression import NonClosingWriter
from analytics_exports.artifacts.formats import FileFormat, RowWriter
from analytics_exports.artifacts.layout import Layout
from analytics_exports.artifacts.warning_collector import WarningCollector
from analytics_exports.domain.formats import Format

_ROW_GROUP_ROWS = 122_880
_REPETITIVE = 0.3
_BUFFER_BYTES = 2**20
"""The library writes page by page; so many bytes are hashed and written at once."""


class Parquet(FileFormat):
    """Apache Parquet."""

    format = Format.PARQUET

    compression: Literal["zstd", "snappy", "none"] = Field("zstd", description="Compression of the columns.")

    @override
    def open(self, file: BinaryIO, layout: Layout, warnings: WarningCollector) -> RowWriter[pa.Table]:
        """Begin a file; its schema is written at the end."""
        return ParquetWriter(file, layout, self.compression)

    @override
    def count(self, file: BinaryIO) -> int:
        """The rows according to the footer."""
        return int(pq.read_metadata(file).num_rows)

    @override
    def read(self, file: BinaryIO) -> pl.DataFrame:
        """All row groups."""
        return pl.read_parquet(file)


class ParquetWriter:
    """Writes rows as Parquet."""

    def __init__(self, file: BinaryIO, layout: Layout, compression: str) -> None:
        """Begin a file; the first batch determines how its columns are encoded."""
        self._tables = ArrowTables(layout, views=True)
        self._file = io.BufferedWriter(NonClosingWriter(file), _BUFFER_BYTES)
        self._metadata = metadata(layout)
        self._compression = compression
        self._dictionaries: list[str] | None = None
        self._writer: pq.ParquetWriter | None = None

    def encode(self, rows: pl.DataFrame) -> pa.Table:
        """A batch as a table."""
        if self._dictionaries is None:
            self._dictionaries = _repetitive(rows)
        return self._tables.table(rows)

    def write(self, encoded: pa.Table) -> None:
        """Write a batch; row groups fill up over several batches."""
        if self._writer is None:
            self._writer = self._begin()
        for batch in encoded.to_batches():
            self._writer.write_batch(batch, row_group_size=_ROW_GROUP_ROWS)

    def finish(self) -> None:
        """Write the footer."""
        (self._writer or self._begin()).close()
        self._file.flush()

    def _begin(self) -> pq.ParquetWriter:
        schema, dictionaries = self._tables.schema, self._dictionaries or []
        others = [field.name for field in schema if not pa.types.is_string_view(field.type)]
        writer = pq.ParquetWriter(
            self._file,
            schema,
            compression=self._compression,
            use_dictionary=dictionaries,
            write_statistics=[*dictionaries, *others],
            store_schema=False,  # so that each reader uses its default types
        )
        writer.add_key_value_metadata(self._metadata)
        return writer


def _repetitive(rows: pl.DataFrame) -> list[str]:
    """Columns with repeated values. For others a dictionary costs more time and space than it saves."""
    flat = [name for name, dtype in rows.schema.items() if not dtype.is_nested()]
    if not flat:
        return []
    found = rows.select(pl.col(flat).approx_n_unique()).row(0, named=True)
    return [name for name, values in found.items() if values <= _REPETITIVE * rows.height]
