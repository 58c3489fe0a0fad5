"""From a frame to the bytes of a file: the loop that every export goes through.

The frame is read in batches, in its order; each batch is counted, written and released. The encoding of a format
belongs to ``writers``, the destination to ``hashing_writer``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import BinaryIO, cast

import polars as pl

from analytics_exports.artifacts import parts
from analytics_exports.artifacts.formats import FileFormat, RowWriter, file_format
from analytics_exports.artifacts.hashing_writer import HashingWriter
from analytics_exports.artifacts.layout import Layout
from analytics_exports.artifacts.parts import PartsWriter
from analytics_exports.artifacts.warning_collector import WarningCode, WarningCollector
from analytics_exports.domain.dataset import Column
from analytics_exports.domain.errors import InternalFailure
from analytics_exports.domain.formats import ColumnFacts, FileWarning, Format, Part


@dataclass(frozen=True, slots=True)
class Content:
    """What was written."""

    row_count: int
    columns: tuple[ColumnFacts, ...]
    parts: tuple[Part, ...]
    warnings: tuple[FileWarning, ...]

    def as_json(self) -> dict[str, object]:
        """Plain JSON values."""
        columns = [
            {
                "name": item.column.name,
                "type": item.column.type,
                "description": item.column.description,
                "null_count": item.null_count,
            }
            for item in self.columns
        ]
        return {
            "row_count": self.row_count,
            "columns": columns,
            "parts": [asdict(part) for part in self.parts],
            "warnings": [asdict(warning) for warning in self.warnings],
        }


def write_file(
    frame: pl.LazyFrame,
    file: HashingWriter,
    chosen: FileFormat,
    progress: Callable[[int, int], None],
    *,
    columns: Sequence[Column] | None,
    facts: Mapping[str, str],
) -> Content:
    """Write all rows of ``frame`` to ``file``.

    Raises:
        ExportError: the write error of ``file``.
        InternalFailure: Polars cannot represent a value.
        Exception: whatever the source of the frame raised, unchanged.
    """
    layout = Layout.of(frame.collect_schema(), columns, facts)
    warnings = WarningCollector()
    rows, nulls = 0, [0] * len(layout.fields)
    with _write_error_first(file):
        writer = _open(chosen, cast("BinaryIO", file), layout, warnings)
        for batch in frame.collect_batches(maintain_order=True):
            writer.write(batch)
            rows += batch.height
            nulls = [total + more for total, more in zip(nulls, batch.null_count().row(0), strict=True)]
            progress(rows, file.size)
        writer.finish()
        warnings.add(WarningCode.NO_ROWS, int(rows == 0))
        described = (ColumnFacts(field.column, found) for field, found in zip(layout.fields, nulls, strict=True))
        made = tuple(writer.parts) if isinstance(writer, PartsWriter) else ()
        content = Content(rows, tuple(described), made, warnings.collected())
        if isinstance(writer, PartsWriter):
            writer.add_manifest({**facts, **content.as_json()})
    return content


def count_file(file: BinaryIO, chosen: FileFormat) -> int:
    """The number of rows of a finished file, read as a client would read it."""
    return parts.count_rows(file, chosen) if chosen.split else chosen.count(file)


def read_file(file: BinaryIO, format: Format, options: Mapping[str, object]) -> pl.DataFrame:
    """The rows of a finished file in this format.

    Raises:
        UnsupportedOperation: the format is not read back.
    """
    chosen = file_format(format, options)
    return parts.read_rows(file, chosen) if chosen.split else chosen.read(file)


def _open(chosen: FileFormat, file: BinaryIO, layout: Layout, warnings: WarningCollector) -> RowWriter:
    if chosen.split is None:
        return chosen.open(file, layout, warnings)
    return PartsWriter(file, chosen, chosen.split, layout, warnings)


@contextmanager
def _write_error_first(file: HashingWriter) -> Iterator[None]:
    """Raise the write error of ``file``, whatever a library made of it, and stop the file at the end."""
    try:
        yield
    except (Exception, pl.exceptions.PanicException) as error:
        if file.write_error is not None:
            raise file.write_error from None
        if isinstance(error, pl.exceptions.PanicException):
            raise InternalFailure from None
        raise
    finally:
        file.stop()
    if file.write_error is not None:
        raise file.write_error
