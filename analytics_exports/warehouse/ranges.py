"""Reading a large table range by range of what it is ordered by, so that nothing large has to be sorted.

A warehouse that is built in the order of its exports needs no sorting of millions of rows, which would cost memory and
spill. Before rows are read, one look at the blocks in which a table is stored tells the smallest and the largest key of
each. When they follow each other, rows are asked for in ranges of a few blocks, one query after the other; together
they are the same rows in the same order. When they do not, or for a view, there is one query for all.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.errors import IsolationViolation
from analytics_exports.warehouse.values import EXACT

BLOCK_ROWS = 122_880
"""Rows that DuckDB stores together, and skips together."""

RANGE_ROWS = 2 * BLOCK_ROWS
"""Rows after which another range begins; each of DuckDB's usual two threads reads a block of them."""

ORDERED = EXACT | {
    *("date", "timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamp with time zone", "timestamptz_ns"),
}
"""Types of keys that can bound a range: their text is exact."""


@dataclass(frozen=True, slots=True)
class Extent:
    """The rows of one owner in one block.

    Attributes:
        block: The number of the block.
        rows: How many rows.
        low: The text of the smallest key; ``None`` when all are NULL.
        nulls: How many keys are NULL.
        follows: Whether no key is smaller than any of the block before.
    """

    block: int
    rows: int
    low: str | None
    nulls: int
    follows: bool


@dataclass(frozen=True, slots=True)
class Range:
    """Keys from ``begin`` on that are below ``end``, as text; with neither, the keys that are NULL."""

    begin: str | None = None
    end: str | None = None


def extents(found: Sequence[tuple[Any, ...]], scope: OwnerScope) -> list[Extent]:
    """What a query of the compiler ``found`` out about blocks, in their order.

    Raises:
        IsolationViolation: a row belongs to somebody else, or to nobody.
    """
    if any(owner is None or str(owner) != scope.owner_key for owner, *_ in found):
        raise IsolationViolation
    return sorted((Extent(*values) for _, *values in found), key=lambda extent: extent.block)


def ranges(known: Sequence[Extent]) -> tuple[Range, ...]:
    """Ranges that together hold every row once, in order; none when it is better to read all rows at once."""
    if not all(extent.follows for extent in known):
        return ()
    edges = list(_edges(known))
    if not edges:
        return ()
    bounded = [Range(*bounds) for bounds in zip([None, *edges], [*edges, None], strict=True)]
    return (*bounded, *([Range()] if any(extent.nulls for extent in known) else []))


def _edges(known: Sequence[Extent]) -> Iterator[str]:
    """Where another range begins: the smallest key of a block, when it is larger than all before."""
    rows, last = 0, known[0].low if known else None
    for extent in known:
        if rows >= RANGE_ROWS and extent.low is not None and extent.low != last:
            yield extent.low
            rows, last = 0, extent.low
        rows += extent.rows
