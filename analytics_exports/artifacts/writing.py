"""From rows to the bytes of a file: the loop that every export goes through.

Rows are read in batches, in their order; each batch is counted, encoded, written and released. While one is hashed and
written, the next is encoded in another thread. The encoding of a format belongs to ``writers``, the destination to
``hashing_writer``.
"""

from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, BinaryIO, TypeVar, cast

import polars as pl

from analytics_exports.artifacts import parts
from analytics_exports.artifacts.formats import FileFormat, RowWriter, file_format
from analytics_exports.artifacts.hashing_writer import HashingWriter
from analytics_exports.artifacts.layout import Layout
from analytics_exports.artifacts.parts import PartsWriter
from analytics_exports.artifacts.warning_collector import WarningCode, WarningCollector
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.dataset import Column
from analytics_exports.domain.errors import InternalFailure
from analytics_exports.domain.formats import ColumnFacts, Format
from analytics_exports.ports import Rows

_INLINE, _AHEAD = 2, 1
"""Batches that need no other thread, as small files do not, and batches that are encoded ahead."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class _Batch:
    """A batch that is ready to be written."""

    rows: int
    nulls: Mapping[str, int]
    encoded: Any


def write_file(
    rows: Rows,
    file: HashingWriter,
    chosen: FileFormat,
    progress: Callable[[int, int], None],
    *,
    columns: Sequence[Column] | None,
    facts: Mapping[str, str],
    data_as_of: datetime | None = None,
) -> Artifact:
    """Write all of ``rows`` to ``file``. Returns its facts; where the file is, and its version, are left empty.

    Raises:
        ExportError: the write error of ``file``.
        InternalFailure: Polars cannot represent a value.
        Exception: whatever the source of the rows raised, unchanged.
    """
    layout = Layout.of(rows.schema, columns, facts)
    warnings = WarningCollector()
    with _write_error_first(file):
        writer = _open(chosen, cast("BinaryIO", file), layout, warnings)
        count, nulls = _write_batches(rows, writer, lambda done: progress(done, file.size))
        warnings.add(WarningCode.NO_ROWS, int(count == 0))
        written = Artifact(
            output_path="",
            row_count=count,
            file_size_bytes=0,
            sha256="",
            columns=tuple(ColumnFacts(field.column, nulls[field.name]) for field in layout.fields),
            data_as_of=data_as_of or datetime.now(UTC),
            parts=tuple(writer.parts) if isinstance(writer, PartsWriter) else (),
            warnings=warnings.collected(),
        )
        if isinstance(writer, PartsWriter):
            writer.add_manifest({**facts, **_manifest(written)})
    return replace(written, file_size_bytes=file.size, sha256=file.sha256)


def _write_batches(
    rows: Rows, writer: RowWriter[Any], progress: Callable[[int], None]
) -> tuple[int, Mapping[str, int]]:
    """Write the rows in their order, and finish. Returns their number, and the number of NULLs by column."""
    count, nulls = 0, Counter[str]()
    with closing(_encode(rows, writer)) as encoded, closing(_ahead(encoded)) as batches:
        for batch in batches:
            writer.write(batch.encoded)
            count += batch.rows
            nulls.update(batch.nulls)
            progress(count)
    writer.finish()
    return count, nulls


def _encode(rows: Rows, writer: RowWriter[Any]) -> Generator[_Batch]:
    for batch in rows.batches():
        if batch.height:
            yield _Batch(batch.height, batch.null_count().row(0, named=True), writer.encode(batch))


def _ahead(items: Iterator[_T]) -> Generator[_T]:
    """The same items; after the first two, each is computed in another thread while the one before is used."""
    for _ in range(_INLINE):
        item = next(items, None)
        if item is None:
            return
        yield item
    with ThreadPoolExecutor(1, "encoding") as thread:
        pending = deque(thread.submit(next, items, None) for _ in range(_AHEAD))
        try:
            while (item := pending.popleft().result()) is not None:
                pending.append(thread.submit(next, items, None))
                yield item
        finally:
            for step in pending:
                step.cancel()


def _manifest(written: Artifact) -> dict[str, object]:
    """What the manifest inside a zip of several files says about them."""
    plain = written.to_plain()
    return {
        "row_count": plain["row_count"],
        "columns": plain["schema"],
        "parts": plain["parts"],
        "warnings": plain["warnings"],
    }


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


def _open(chosen: FileFormat, file: BinaryIO, layout: Layout, warnings: WarningCollector) -> RowWriter[Any]:
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
