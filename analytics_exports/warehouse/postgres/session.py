"""One reading of PostgreSQL: a read-only snapshot with a time limit, and a DuckDB that processes its rows.

The server executes the SELECT of a query. What wraps it - the alias of the owner, rows as JSON - is executed here, in
an isolated in-memory DuckDB, so that every engine gives the same values.
"""

import logging
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from threading import Event
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
from psycopg import errors
from psycopg.types.string import TextLoader

from analytics_exports.domain.dataset import Column, Relation
from analytics_exports.domain.errors import (
    DatasetChanged,
    ExportError,
    InternalFailure,
    OutOfMemory,
    RunCancelled,
    TimedOut,
    WarehouseUnavailable,
)
from analytics_exports.warehouse.compiler import Query
from analytics_exports.warehouse.postgres.translate import translate
from analytics_exports.warehouse.postgres.types import arrow_schema, duckdb_name

logger = logging.getLogger(__name__)

_PIECE_ROWS = 10_000
_COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod)
    FROM pg_attribute
    JOIN pg_class ON pg_class.oid = attrelid
    JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE nspname = %s AND relname = %s AND current_database() = %s AND attnum > 0 AND NOT attisdropped
      AND relkind IN ('r', 'v', 'm', 'f', 'p')
    ORDER BY attnum
"""
_DOMAIN_ERRORS: Mapping[type[psycopg.Error], type[ExportError]] = {
    errors.QueryCanceled: TimedOut,
    errors.OutOfMemory: OutOfMemory,
    errors.SyntaxErrorOrAccessRuleViolation: DatasetChanged,
    errors.InsufficientPrivilege: DatasetChanged,
    errors.FeatureNotSupported: DatasetChanged,
    errors.InvalidCatalogName: WarehouseUnavailable,
    psycopg.OperationalError: WarehouseUnavailable,
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The version that a transaction sees: everything as of its beginning."""

    modified: datetime

    def overwritten(self) -> bool:
        """False: PostgreSQL keeps old rows as long as they are read."""
        return False


class PostgresSession:
    """One snapshot. Implements ``Session``, which documents the methods."""

    def __init__(
        self, server: psycopg.Connection[Any], local: duckdb.DuckDBPyConnection, thread: Executor, seconds: float
    ) -> None:
        """Begin a snapshot on ``server``; ``local`` processes its rows."""
        self.thread = thread
        self.stopped = Event()
        self.seconds = seconds
        self.metadata_cache: dict[Relation | str, Any] = {}
        self._server = server
        self._local = local
        self._types: dict[str, str] = {}
        self._cursors: list[psycopg.ServerCursor[Any]] = []
        server.adapters.register_loader("uuid", TextLoader)
        for name in ("json", "jsonb"):
            server.adapters.register_loader(name, TextLoader)
        ((began,),) = server.execute("SELECT transaction_timestamp()").fetchall()
        self.version = Snapshot(began)

    def columns(self, relation: Relation) -> tuple[Column, ...]:
        """The columns of ``relation``."""
        with self.domain_errors():
            place = (relation.schema, relation.name, relation.database)
            found = self._server.execute(_COLUMNS, place).fetchall()
        if not found:
            raise DatasetChanged
        self._types = {name: duckdb_name(formatted) for name, formatted in found}
        return tuple(Column(name, of) for name, of in self._types.items())

    def columns_with_collations(self, relation: Relation) -> tuple[Column, ...]:
        """The same as ``columns``: text is compared by its bytes whatever its collation."""
        return self.columns(relation)

    def fetch(self, query: Query) -> list[tuple[Any, ...]]:
        """All rows of a query with a small result."""
        with closing(self.reader(query, _PIECE_ROWS)) as reader:
            table = reader.read_all()
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))

    def is_large_table(self, relation: Relation) -> bool:  # noqa: ARG002 - the server does not say
        """False: the server sorts by itself."""
        return False

    def blocks(self, query: Query) -> list[tuple[Any, ...]]:  # noqa: ARG002 - see ``is_large_table``
        """None."""
        return []

    def reader(self, query: Query, rows: int) -> pa.RecordBatchReader:
        """The rows of a query in batches of ``rows``."""
        sql, params = translate(query, self._types)
        cursor = psycopg.ServerCursor(self._server, f"rows_{len(self._cursors)}")
        self._cursors.append(cursor)
        cursor.execute(sql.encode(), params)
        schema = arrow_schema(cursor.description or (), self._server.adapters)
        empty = self._finish(query, pa.RecordBatch.from_pylist([], schema))
        return pa.RecordBatchReader.from_batches(empty.schema, self._batches(query, cursor, schema, rows))

    def schema(self, query: Query) -> pa.Schema:
        """The schema of ``reader``."""
        with closing(self.reader(query, 1)) as reader:
            return reader.schema

    def close(self) -> None:
        """Close the open cursors."""
        for cursor in self._cursors:
            with suppress(psycopg.Error):
                cursor.close()

    def interrupt(self) -> None:
        """Stop the running query and refuse later ones."""
        self.stopped.set()
        self.stop_query()

    def stop_query(self) -> None:
        """Stop the running query, if any."""
        with suppress(psycopg.Error):
            self._server.cancel_safe()

    def verify(self) -> None:
        """Do nothing: a snapshot cannot be overwritten."""

    @contextmanager
    def domain_errors(self) -> Iterator[None]:
        """Raise the domain error for an error of the server; its text can contain values of other owners."""
        if self.stopped.is_set():
            raise RunCancelled
        try:
            yield
        except (psycopg.Error, duckdb.Error, pa.ArrowException) as error:
            raise (RunCancelled() if self.stopped.is_set() else to_domain_error(error)) from None

    def _batches(
        self, query: Query, cursor: psycopg.ServerCursor[Any], schema: pa.Schema, rows: int
    ) -> Iterator[pa.RecordBatch]:
        while found := cursor.fetchmany(rows):
            columns = [
                pa.array(cells, field.type) for cells, field in zip(zip(*found, strict=True), schema, strict=True)
            ]
            yield from self._finish(query, pa.RecordBatch.from_arrays(columns, schema=schema)).to_batches()
        cursor.close()

    def _finish(self, query: Query, batch: pa.RecordBatch) -> pa.Table:
        """Apply what wraps the SELECT of the query to its rows."""
        if not query.inner:
            return pa.Table.from_batches([batch])
        self._local.register("rows_found", batch)
        return self._local.sql(query.sql.replace(f"({query.inner})", "rows_found", 1)).to_arrow_table()


def to_domain_error(error: Exception) -> ExportError:
    """The domain error for an error of the server."""
    logger.warning("PostgreSQL failed: %s", type(error).__name__)
    return next((known() for kind, known in _DOMAIN_ERRORS.items() if isinstance(error, kind)), InternalFailure())
