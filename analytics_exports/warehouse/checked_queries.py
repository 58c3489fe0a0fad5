"""Queries with small results: pages, counts, estimates. Each row is verified to be the owner's, as in ``scan``."""

from typing import Any

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.errors import IsolationViolation
from analytics_exports.ports import Estimate
from analytics_exports.warehouse.compiler import Compiler, Query
from analytics_exports.warehouse.paging import Position, position_after
from analytics_exports.warehouse.session import Session

_BATCH_ROWS = 4_096
"""Rows of one query: DuckDB sorts the whole table when the limit is above 5,000."""

_SAMPLE_ROWS = 2_000


class CheckedQueries:
    """Queries over one connection about one selection of one owner."""

    def __init__(self, connection: Session, compiler: Compiler, scope: OwnerScope) -> None:
        """Use ``connection`` for the queries of ``compiler``, made for ``scope``."""
        self._connection = connection
        self._compiler = compiler
        self._scope = scope

    def page(self, limit: int, offset: int, begin: Position | None) -> tuple[list[str], Position | None]:
        """At most ``limit`` rows as JSON objects, and the position after them when more rows follow."""
        rows: list[str] = []
        position, more = begin, True
        while more and len(rows) < limit:
            piece = min(limit - len(rows), _BATCH_ROWS)
            found = self._read(self._compiler.page(piece + 1, offset, position))
            more = len(found) > piece
            rows += (row for row, *_ in found[:piece])
            if more:
                position, offset = position_after([tuple(place) for _, *place in found[:piece]], position), 0
        return rows, position if more else None

    def count(self) -> int:
        """The number of rows."""
        return sum(number for (number,) in self._read(self._compiler.count()))

    def estimate(self) -> Estimate:
        """The number of rows, and their approximate size from a sample."""
        rows = self.count()
        sizes = [size for (size,) in self._read(self._compiler.sizes(_SAMPLE_ROWS))]
        return Estimate(row_count=rows, text_bytes=round(rows * sum(sizes) / max(len(sizes), 1)))

    def _read(self, query: Query) -> list[tuple[Any, ...]]:
        """The rows of ``query``, without the owner in the first column.

        Raises:
            IsolationViolation: a row belongs to another owner, or to none.
            WarehouseChanged: the file was overwritten in place meanwhile.
        """
        with self._connection.domain_errors():
            rows = self._connection.fetch(query)
        if any(owner is None or str(owner) != self._scope.owner_key for owner, *_ in rows):
            raise IsolationViolation
        self._connection.verify()
        return [row[1:] for row in rows]
