"""Counts in finished files, read back independently of the writer: records of text files, and rows of other owners."""

from collections.abc import Iterator
from typing import IO, BinaryIO

import polars as pl

from analytics_exports.domain.errors import StorageUnavailable
from analytics_exports.domain.formats import Format

_CHUNK = 2**20
_MAGIC = {Format.PARQUET: b"PAR1", Format.ARROW: b"ARROW1"}
"""First bytes of files that keep types and are not a zip of several."""

_NEITHER_QUOTE_NOR_NEWLINE = bytes(set(range(256)) - set(b'"\n'))


def count_lines(file: IO[bytes]) -> int:
    """The number of newlines in a file."""
    return sum(chunk.count(b"\n") for chunk in _chunks(file))


def count_records(file: IO[bytes]) -> int:
    """The number of records of a CSV file (RFC 4180), the header included: newlines outside quotes."""
    found, inside = 0, 0
    for chunk in _chunks(file):
        # Adjacent quotes after this translation enclose no newline: they are a quoted text without one, or an escaped
        # quote. What remains are newlines, some of them between quotes.
        pieces = chunk.translate(None, _NEITHER_QUOTE_NOR_NEWLINE).replace(b'""', b"").split(b'"')
        found += sum(map(len, pieces[inside::2]))
        inside = (inside + len(pieces) - 1) % 2
    return found


def count_occurrences(file: IO[bytes], mark: bytes) -> int:
    """How often ``mark``, which does not overlap itself, occurs in a file."""
    found, kept = 0, b""
    for chunk in _chunks(file):
        window = kept + chunk
        found += window.count(mark)
        kept = window[len(window) - len(mark) + 1 :]
    return found


def count_foreign_rows(file: BinaryIO, format: Format, column: str, owner_key: str) -> int | None:
    """Count the rows of a published file whose ``column`` is not ``owner_key``, for asset checks.

    Returns ``None`` for a file without the column or types.

    Raises:
        StorageUnavailable: the file is damaged.
    """
    magic = _MAGIC.get(format)
    if magic is None or file.read(len(magic)) != magic:
        return None
    file.seek(0)
    try:
        return _foreign(file, format, column, owner_key)
    except pl.exceptions.PolarsError:
        raise StorageUnavailable("The file is not whole.") from None


def _foreign(file: BinaryIO, format: Format, column: str, owner_key: str) -> int | None:
    scan = pl.scan_parquet if format is Format.PARQUET else pl.scan_ipc
    rows = scan(file)
    if column not in rows.collect_schema():
        return None
    foreign = pl.col(column).cast(pl.String).ne_missing(pl.lit(owner_key)).sum()
    return int(rows.select(foreign).collect().item())


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
