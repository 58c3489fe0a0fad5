"""Reading rows in batches in a helper thread, each batch verified before it is passed on.

DuckDB runs in a helper thread, a few batches ahead of the writer, so that the work of both overlaps and ``interrupt``
can be called meanwhile. SQL belongs to ``compiler``, writing files to ``artifacts``.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, wait
from datetime import datetime
from typing import TypeVar

import polars as pl
import pyarrow as pa

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.errors import InternalFailure, IsolationViolation, RunCancelled, TimedOut
from analytics_exports.warehouse.compiler import OWNER, Compiler, Query
from analytics_exports.warehouse.frames import to_frame
from analytics_exports.warehouse.ranges import extents, ranges
from analytics_exports.warehouse.session import Session

BATCH_ROWS = 20_480
"""Rows in a batch: ten of DuckDB's vectors; files are written fastest at this size, with little memory."""

PREVIEW_ROWS = 5
"""Rows kept as a preview."""

_AHEAD = 4
"""Batches read ahead: most of a range, so that the next range is sorted while they are written."""

_REPEAT_SECONDS = 0.2

_T = TypeVar("_T")


def check_owner(batch: pl.DataFrame, scope: OwnerScope) -> pl.DataFrame:
    """``batch`` without its owner column, after verifying that every row belongs to ``scope``.

    The last safeguard: it does not rely on the SQL that selected the rows.

    Raises:
        IsolationViolation: a row belongs to another owner, or to none.
    """
    owners = batch[OWNER].cast(pl.String)
    if owners.null_count() or not (owners == scope.owner_key).all():
        raise IsolationViolation
    return batch.drop(OWNER)


class SessionScan:
    """One reading of one owner's rows over a connection of its own. Implements the port ``Scan``.

    ``batches`` reads the rows anew each time; only one such iterator may be in use.
    """

    def __init__(self, connection: Session, compiler: Compiler, scope: OwnerScope) -> None:
        """Prepare to read the rows of ``compiler``, made for ``scope``. The scan owns ``connection``.

        Raises:
            ExportError: the query does not fit the warehouse (see ``connection.to_domain_error``).
        """
        self.columns = compiler.columns
        self._connection = connection
        self._compiler = compiler
        self._scope = scope
        self._ahead: deque[Future[pl.DataFrame | None]] = deque()
        self._all_rows = query = compiler.rows()
        self.preview: pl.DataFrame = connection.metadata_cache.get(query.sql, pl.DataFrame())
        if self.preview.width == 0:
            with connection.domain_errors():
                schema = connection.schema(query)
            nothing = [pa.nulls(0, field.type) for field in schema]
            self.preview = to_frame(pa.RecordBatch.from_arrays(nothing, names=schema.names)).drop(OWNER)
            connection.metadata_cache[query.sql] = self.preview
        self.schema = self.preview.schema

    @property
    def data_as_of(self) -> datetime:
        """When the version of the warehouse that is read was built."""
        return self._connection.version.modified

    def verify(self) -> None:
        """Raise WarehouseChanged when the file was overwritten in place since this scan opened it."""
        self._connection.verify()

    def interrupt(self) -> None:
        """Stop reading, from any thread; the reader gets RunCancelled."""
        self._connection.interrupt()

    def close(self) -> None:
        """Stop reading, and wait until DuckDB has stopped."""
        self._connection.interrupt()
        _cancel(self._ahead)
        wait(self._ahead)

    def batches(self) -> Iterator[pl.DataFrame]:
        """The rows, read a few batches ahead."""
        if self._connection.stopped.is_set():
            raise RunCancelled
        wait(self._ahead)
        read, ahead = self._read(), deque[Future[pl.DataFrame | None]]()
        self._ahead = ahead
        try:
            ahead.extend(self._connection.thread.submit(self._next, read) for _ in range(_AHEAD))
            while (batch := self._result(ahead[0])) is not None:
                if self.preview.is_empty():
                    self.preview = batch.head(PREVIEW_ROWS)
                ahead.popleft()
                ahead.append(self._connection.thread.submit(self._next, read))
                yield batch
        finally:  # without waiting: this may be garbage collected on the helper thread; close() waits
            _cancel(ahead)
            if self._ahead is ahead:
                self._connection.stop_query()

    def _result(self, step: Future[_T]) -> _T:
        """The result of ``step``. DuckDB forgets an interrupt that arrives just before a query, so it is repeated."""
        while not wait([step], timeout=_REPEAT_SECONDS).done:
            if self._connection.stopped.is_set():
                self._connection.stop_query()
        return step.result()

    def _next(self, read: Iterator[pa.RecordBatch]) -> pl.DataFrame | None:
        with self._connection.domain_errors():
            batch = next(read, None)
        if batch is None:
            return None
        rows = check_owner(to_frame(batch), self._scope)
        if rows.schema != self.schema:
            raise InternalFailure
        return rows

    def _read(self) -> Iterator[pa.RecordBatch]:
        """All rows, by one query or by several."""
        on_start = time.monotonic()
        for query in self._queries():
            if time.monotonic() - on_start > self._connection.seconds:
                raise TimedOut
            yield from self._connection.reader(query, BATCH_ROWS)

    def _queries(self) -> list[Query]:
        relation = self._compiler.relation
        look = self._compiler.extents() if self._connection.is_large_table(relation) else None
        known = extents(self._connection.blocks(look), self._scope) if look else []
        return [self._compiler.rows_within(part) for part in ranges(known)] or [self._all_rows]


def _cancel(steps: Iterable[Future[_T]]) -> None:
    for step in steps:
        step.cancel()
