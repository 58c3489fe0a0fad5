"""From a frame to the bytes of a file: the loop that every export goes through.

The frame is read in batches, in its order; each batch is counted, written and forgotten. What a format's bytes look
like belongs to ``writers``, and where they go to ``files``.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import BinaryIO, cast

import polars as pl

from analytics_exports.artifacts import parts
from analytics_exports.artifacts.files import GrowingFile
from analytics_exports.artifacts.findings import Finding, Findings
from analytics_exports.artifacts.formats import FileFormat, RowWriter, file_format
from analytics_exports.artifacts.layout import Layout
from analytics_exports.artifacts.parts import PartsWriter
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
        """The same as plain JSON values."""
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


def write(
    frame: pl.LazyFrame,
    file: GrowingFile,
    chosen: FileFormat,
    progress: Callable[[int, int], None],
    *,
    columns: Sequence[Column] | None,
    facts: Mapping[str, str],
) -> Content:
    """Write all rows of ``frame`` to ``file``.

    Raises:
        ExportError: why ``file`` refused a write.
        InternalFailure: Polars cannot represent a value.
        Exception: whatever the source of the frame raised, as it is.
    """
    layout = Layout.of(frame.collect_schema(), columns, facts)
    findings = Findings()
    rows, nulls = 0, [0] * len(layout.fields)
    with _refusal_first(file):
        writer = _open(chosen, cast("BinaryIO", file), layout, findings)
        for batch in frame.collect_batches(maintain_order=True):
            writer.write(batch)
            rows += batch.height
            nulls = [total + more for total, more in zip(nulls, batch.null_count().row(0), strict=True)]
            progress(rows, file.size)
        writer.finish()
        findings.add(Finding.NO_ROWS, int(rows == 0))
        described = (ColumnFacts(field.column, found) for field, found in zip(layout.fields, nulls, strict=True))
        made = tuple(writer.parts) if isinstance(writer, PartsWriter) else ()
        content = Content(rows, tuple(described), made, findings.warnings())
        if isinstance(writer, PartsWriter):
            writer.add_manifest({**facts, **content.as_json()})
    return content


def count(file: BinaryIO, chosen: FileFormat) -> int:
    """How many rows a finished file has, by reading it as others would."""
    return parts.count(file, chosen) if chosen.split else chosen.count(file)


def read(file: BinaryIO, format: Format, options: Mapping[str, object]) -> pl.DataFrame:
    """The rows of a finished file that was asked for in this way.

    Raises:
        UnsupportedOperation: the format is not made for reading back.
    """
    chosen = file_format(format, options)
    return parts.read(file, chosen) if chosen.split else chosen.read(file)


def _open(chosen: FileFormat, file: BinaryIO, layout: Layout, findings: Findings) -> RowWriter:
    if chosen.split is None:
        return chosen.open(file, layout, findings)
    return PartsWriter(file, chosen, chosen.split, layout, findings)


@contextmanager
def _refusal_first(file: GrowingFile) -> Iterator[None]:
    """Raise why ``file`` refused a write, whatever a library made of that, and seal it in the end."""
    try:
        yield
    except (Exception, pl.exceptions.PanicException) as error:
        if file.refusal is not None:
            raise file.refusal from None
        if isinstance(error, pl.exceptions.PanicException):
            raise InternalFailure from None
        raise
    finally:
        file.seal()
    if file.refusal is not None:
        raise file.refusal
