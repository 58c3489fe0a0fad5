"""Queries with small results: pages, counts, estimates. Each row is verified to be the owner's, as in ``scan``."""

from typing import Any

import polars as pl

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.errors import InternalFailure, IsolationViolation
from analytics_exports.encoding.json_values import to_object
from analytics_exports.ports import Estimate
from analytics_exports.warehouse.compiler import Compiler, Query
from analytics_exports.warehouse.frames import to_frame
from analytics_exports.warehouse.paging import Position, position_after
from analytics_exports.warehouse.scan import check_owner
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
            found = self._frame(self._compiler.page(piece + 1, offset, position))
            more = found.height > piece
            rows += self._encoded(found.head(piece))
            if more:
                places = found.head(piece).select(self._compiler.key_names).rows()
                position, offset = position_after(places, position), 0
        return rows, position if more else None

    def count(self) -> int:
        """The number of rows."""
        return sum(number for (number,) in self._read(self._compiler.count()))

    def estimate(self) -> Estimate:
        """The number of rows, and their approximate size from a sample."""
        rows = self.count()
        sizes = [size for (size,) in self._read(self._compiler.sizes(_SAMPLE_ROWS))]
        return Estimate(row_count=rows, text_bytes=round(rows * sum(sizes) / max(len(sizes), 1)))

    def _encoded(self, frame: pl.DataFrame) -> list[str]:
        """Each row as a JSON object. Raises InternalFailure for a value that Polars cannot represent."""
        if frame.is_empty():
            return []
        members = [
            (item.name, pl.col(item.name), frame.schema[item.name], item.parsed_type) for item in self._compiler.columns
        ]
        try:
            return frame.select(to_object(members)).to_series().to_list()
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):  # the latter is no Exception
            raise InternalFailure from None

    def _frame(self, query: Query) -> pl.DataFrame:
        """The rows of ``query``, without the owner; no columns when there are no rows. Raises as ``_read``."""
        with self._connection.domain_errors():
            batches = [to_frame(batch) for batch in self._connection.reader(query, _BATCH_ROWS)]
        frame = check_owner(pl.concat(batches), self._scope) if batches else pl.DataFrame()
        self._connection.verify()
        return frame

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
