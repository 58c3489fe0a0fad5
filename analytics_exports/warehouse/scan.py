"""Reading rows in batches, on a thread of its own, each batch checked before anybody sees it.

DuckDB works in a helper thread, a few batches ahead of the writer, so that the work of both overlaps and ``interrupt``
can be called while it is busy. What SQL is run belongs to ``compiler``, what a file looks like to ``artifacts``.
"""

import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from datetime import datetime
from typing import TypeVar

import polars as pl
import pyarrow as pa
from polars.io.plugins import register_io_source

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.errors import IsolationViolation, RunCancelled, TimedOut
from analytics_exports.warehouse.batches import to_frame
from analytics_exports.warehouse.compiler import OWNER, Compiler, Query
from analytics_exports.warehouse.ranges import extents, ranges
from analytics_exports.warehouse.session import Session

BATCH_ROWS = 20_480
"""Rows in a batch: ten of DuckDB's vectors; files are written fastest at this size, in little memory."""

PREVIEW_ROWS = 5
"""Rows kept for a look at what was read."""

_AHEAD = 3
_REPEAT_SECONDS = 0.2

_T = TypeVar("_T")


def owned_only(batch: pl.DataFrame, scope: OwnerScope) -> pl.DataFrame:
    """``batch`` without its owner column, once every row is seen to be of ``scope``.

    The last guard: it does not trust the SQL that selected the rows.

    Raises:
        IsolationViolation: a row belongs to somebody else, or to nobody.
    """
    if not batch[OWNER].cast(pl.String).eq_missing(pl.Series([scope.owner_key])).all():
        raise IsolationViolation
    return batch.drop(OWNER)


class SessionScan:
    """One reading of one owner's rows over a connection of its own. Implements the port ``Scan``."""

    def __init__(self, connection: Session, compiler: Compiler, scope: OwnerScope) -> None:
        """Prepare to read the rows of ``compiler``, made for ``scope``, over ``connection``, which belongs to the scan.

        Raises:
            ExportError: the query does not fit the warehouse (see ``connection.meaning``).
        """
        self.columns = compiler.columns
        self._connection = connection
        self._compiler = compiler
        self._scope = scope
        self._thread = ThreadPoolExecutor(1, "warehouse-scan")
        query = compiler.rows()
        self.preview: pl.DataFrame = connection.known.get(query.sql, pl.DataFrame())
        if self.preview.width == 0:
            with connection.translated():
                schema = connection.schema(query)
            nothing = [pa.nulls(0, field.type) for field in schema]
            self.preview = to_frame(pa.RecordBatch.from_arrays(nothing, names=schema.names)).drop(OWNER)
            connection.known[query.sql] = self.preview
        self._schema = self.preview.schema

    @property
    def data_as_of(self) -> datetime:
        """When the version of the warehouse that is read was built."""
        return self._connection.version.modified

    @property
    def frame(self) -> pl.LazyFrame:
        """The rows in their stable order. Each use of the frame reads them anew, one use at a time."""
        return register_io_source(self._source, schema=self._schema, validate_schema=True)

    def verify(self) -> None:
        """Raise WarehouseChanged when the file was overwritten in place since this scan opened it."""
        self._connection.verify()

    def interrupt(self) -> None:
        """Stop reading, from any thread; the reader gets RunCancelled."""
        self._connection.interrupt()

    def close(self) -> None:
        """Stop reading for good, and wait until DuckDB has stopped."""
        self._connection.interrupt()
        self._thread.shutdown(cancel_futures=True)

    def _source(
        self, with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        """What Polars pulls: rows, with whatever its optimiser moved into the source applied to them."""
        wanted = n_rows
        for batch in self._batches():
            rows = batch if wanted is None else batch.head(wanted)
            wanted = None if wanted is None else wanted - rows.height
            if predicate is not None:
                rows = rows.filter(predicate)
            yield rows if with_columns is None else rows.select(with_columns)
            if wanted == 0:
                break

    def _batches(self) -> Iterator[pl.DataFrame]:
        if self._connection.stopped.is_set():
            raise RunCancelled
        ahead: deque[Future[pl.DataFrame | None]] = deque()
        try:
            batches = self._read()
            ahead.extend(self._thread.submit(self._next, batches) for _ in range(_AHEAD))
            while (batch := self._result(ahead.popleft())) is not None:
                if self.preview.is_empty():
                    self.preview = batch.head(PREVIEW_ROWS)
                ahead.append(self._thread.submit(self._next, batches))
                yield batch
        finally:  # close() waits for the thread: this here may be collected on any thread, even on that one
            for step in ahead:
                step.cancel()
            self._connection.stop_query()

    def _result(self, step: Future[_T]) -> _T:
        """What ``step`` returns. DuckDB forgets an interrupt that comes just before a query, so it is repeated."""
        while not wait([step], timeout=_REPEAT_SECONDS).done:
            if self._connection.stopped.is_set():
                self._connection.stop_query()
        return step.result()

    def _next(self, batches: Iterator[pa.RecordBatch]) -> pl.DataFrame | None:
        with self._connection.translated():
            batch = next(batches, None)
        return None if batch is None else owned_only(to_frame(batch), self._scope)

    def _read(self) -> Iterator[pa.RecordBatch]:
        """All rows, by one query or by several."""
        begun = time.monotonic()
        for query in self._queries():
            if time.monotonic() - begun > self._connection.seconds:
                raise TimedOut
            yield from self._connection.reader(query, BATCH_ROWS)

    def _queries(self) -> list[Query]:
        look = self._compiler.extents()
        known = extents(self._connection.blocks(look), self._scope) if look else []
        return [self._compiler.rows_within(part) for part in ranges(known)] or [self._compiler.rows()]
