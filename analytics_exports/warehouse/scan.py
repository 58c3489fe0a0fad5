"""Reading rows in batches in a helper thread, each batch verified before it is passed on.

DuckDB runs in a helper thread, a few batches ahead of the writer, so that the work of both overlaps and ``interrupt``
can be called meanwhile. SQL belongs to ``compiler``, writing files to ``artifacts``.
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
from analytics_exports.warehouse.compiler import OWNER, Compiler, Query
from analytics_exports.warehouse.frames import to_frame
from analytics_exports.warehouse.ranges import extents, ranges
from analytics_exports.warehouse.session import Session

BATCH_ROWS = 20_480
"""Rows in a batch: ten of DuckDB's vectors; files are written fastest at this size, with little memory."""

PREVIEW_ROWS = 5
"""Rows kept as a preview."""

_AHEAD = 3
_REPEAT_SECONDS = 0.2

_T = TypeVar("_T")


def check_owner(batch: pl.DataFrame, scope: OwnerScope) -> pl.DataFrame:
    """``batch`` without its owner column, after verifying that every row belongs to ``scope``.

    The last safeguard: it does not rely on the SQL that selected the rows.

    Raises:
        IsolationViolation: a row belongs to another owner, or to none.
    """
    if not batch[OWNER].cast(pl.String).eq_missing(pl.Series([scope.owner_key])).all():
        raise IsolationViolation
    return batch.drop(OWNER)


class SessionScan:
    """One reading of one owner's rows over a connection of its own. Implements the port ``Scan``."""

    def __init__(self, connection: Session, compiler: Compiler, scope: OwnerScope) -> None:
        """Prepare to read the rows of ``compiler``, made for ``scope``. The scan owns ``connection``.

        Raises:
            ExportError: the query does not fit the warehouse (see ``connection.to_domain_error``).
        """
        self.columns = compiler.columns
        self._connection = connection
        self._compiler = compiler
        self._scope = scope
        self._thread = ThreadPoolExecutor(1, "warehouse-scan")
        query = compiler.rows()
        self.preview: pl.DataFrame = connection.metadata_cache.get(query.sql, pl.DataFrame())
        if self.preview.width == 0:
            with connection.domain_errors():
                schema = connection.schema(query)
            nothing = [pa.nulls(0, field.type) for field in schema]
            self.preview = to_frame(pa.RecordBatch.from_arrays(nothing, names=schema.names)).drop(OWNER)
            connection.metadata_cache[query.sql] = self.preview
        self._schema = self.preview.schema

    @property
    def data_as_of(self) -> datetime:
        """When the version of the warehouse that is read was built."""
        return self._connection.version.modified

    @property
    def frame(self) -> pl.LazyFrame:
        """The rows in their stable order. Each use of the frame reads them again, one use at a time."""
        return register_io_source(self._source, schema=self._schema, validate_schema=True)

    def verify(self) -> None:
        """Raise WarehouseChanged when the file was overwritten in place since this scan opened it."""
        self._connection.verify()

    def interrupt(self) -> None:
        """Stop reading, from any thread; the reader gets RunCancelled."""
        self._connection.interrupt()

    def close(self) -> None:
        """Stop reading, and wait until DuckDB has stopped."""
        self._connection.interrupt()
        self._thread.shutdown(cancel_futures=True)

    def _source(
        self, with_columns: list[str] | None, predicate: pl.Expr | None, n_rows: int | None, _batch_size: int | None
    ) -> Iterator[pl.DataFrame]:
        """The source of the LazyFrame: rows, with what Polars' optimiser pushed down applied to them."""
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
        finally:  # without waiting: this may be garbage collected on the helper thread; close() waits
            for step in ahead:
                step.cancel()
            self._connection.stop_query()

    def _result(self, step: Future[_T]) -> _T:
        """The result of ``step``. DuckDB forgets an interrupt that arrives just before a query, so it is repeated."""
        while not wait([step], timeout=_REPEAT_SECONDS).done:
            if self._connection.stopped.is_set():
                self._connection.stop_query()
        return step.result()

    def _next(self, batches: Iterator[pa.RecordBatch]) -> pl.DataFrame | None:
        with self._connection.domain_errors():
            batch = next(batches, None)
        return None if batch is None else check_owner(to_frame(batch), self._scope)

    def _read(self) -> Iterator[pa.RecordBatch]:
        """All rows, by one query or by several."""
        on_start = time.monotonic()
        for query in self._queries():
            if time.monotonic() - on_start > self._connection.seconds:
                raise TimedOut
            yield from self._connection.reader(query, BATCH_ROWS)

    def _queries(self) -> list[Query]:
        look = self._compiler.extents()
        known = extents(self._connection.blocks(look, self._compiler.relation), self._scope) if look else []
        return [self._compiler.rows_within(part) for part in ranges(known)] or [self._compiler.rows()]
