"""Reading a large table in ranges of its first sort key, so that nothing large has to be sorted.

A warehouse that is built in the order of its exports does not need to sort millions of rows, which would cost memory
and spill. Before rows are read, one query over the blocks in which a table is stored finds the smallest and largest key
of each. When the blocks are in order, rows are read in ranges of one block or of several with few rows each, one query
after the other; together they are the same rows in the same order. When they are not, or for a view, one query reads
all rows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.column_type import EXACT
from analytics_exports.domain.errors import IsolationViolation

BLOCK_ROWS = 122_880
"""Rows that DuckDB stores, and skips, together; after so many rows another range begins."""

ORDERED = EXACT | {
    *("date", "timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamp with time zone", "timestamptz_ns"),
}
"""Types of keys that can bound a range: their text is exact."""


@dataclass(frozen=True, slots=True)
class Extent:
    """The rows of one owner in one block.

    Attributes:
        block: Number of the block.
        rows: Number of rows.
        low: Text of the smallest key; ``None`` when all are NULL.
        nulls: Number of keys that are NULL.
        follows: Whether no key is smaller than any of the previous block.
    """

    block: int
    rows: int
    low: str | None
    nulls: int
    follows: bool


@dataclass(frozen=True, slots=True)
class Range:
    """Keys from ``begin`` (inclusive) to ``end`` (exclusive), as text; with neither, the keys that are NULL."""

    begin: str | None = None
    end: str | None = None


def extents(found: Sequence[tuple[Any, ...]], scope: OwnerScope) -> list[Extent]:
    """The extents in the result of ``Compiler.extents``, in the order of their blocks.

    Raises:
        IsolationViolation: a row belongs to another owner, or to none.
    """
    if any(owner is None or str(owner) != scope.owner_key for owner, *_ in found):
        raise IsolationViolation
    return sorted((Extent(*values) for _, *values in found), key=lambda extent: extent.block)


def ranges(known: Sequence[Extent]) -> tuple[Range, ...]:
    """Ranges that together contain every row once, in order; none when it is better to read all rows at once."""
    if not all(extent.follows for extent in known):
        return ()
    edges = list(_boundaries(known))
    if not edges:
        return ()
    bounded = [Range(*bounds) for bounds in zip([None, *edges], [*edges, None], strict=True)]
    return (*bounded, *([Range()] if any(extent.nulls for extent in known) else []))


def _boundaries(known: Sequence[Extent]) -> Iterator[str]:
    """Where another range begins: the smallest key of a block, if it is larger than all before."""
    rows, last = 0, known[0].low if known else None
    for extent in known:
        if rows >= BLOCK_ROWS and extent.low is not None and extent.low != last:
            yield extent.low
            rows, last = 0, extent.low
        rows += extent.rows
