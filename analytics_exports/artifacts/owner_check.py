"""Counts rows of other owners in a published file, read from the file itself. For asset checks only."""

from typing import BinaryIO

import polars as pl

from analytics_exports.domain.errors import StorageUnavailable
from analytics_exports.domain.formats import Format

MAGIC = {Format.PARQUET: b"PAR1", Format.ARROW: b"ARROW1"}
"""First bytes of files that keep types and are not a zip of several."""


def count_foreign_rows(file: BinaryIO, format: Format, column: str, owner_key: str) -> int | None:
    """Count the rows whose ``column`` is not ``owner_key``; ``None`` for a file without the column or types.

    Raises:
        StorageUnavailable: the file is damaged.
    """
    magic = MAGIC.get(format)
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
