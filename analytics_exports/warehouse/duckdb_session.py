"""DuckDB's ``Session``: one reading over one connection, and the meaning of DuckDB's errors.

Opening connections belongs to ``connection``, SQL to ``compiler``.
"""

import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import contextmanager, suppress
from dataclasses import replace
from threading import Event, Lock
from typing import Any

import duckdb
import pyarrow as pa

from analytics_exports.domain.dataset import Column, Relation
from analytics_exports.domain.errors import (
    DatasetChanged,
    ExportError,
    InternalFailure,
    OutOfMemory,
    RunCancelled,
    TimedOut,
    WarehouseChanged,
    WarehouseUnavailable,
)
from analytics_exports.warehouse.compiler import Query
from analytics_exports.warehouse.identifiers import quote, table_name
from analytics_exports.warehouse.ranges import BLOCK_ROWS
from analytics_exports.warehouse.sources import Version

logger = logging.getLogger(__name__)

INTERRUPTED = "Query interrupted"
"""DuckDB's message when a signal handler raised an exception."""

_COLLATED = re.compile(r'"?c(\d+)"? VARCHAR COLLATE "?([\w.]+)"?')
_SCRATCH = "collated_columns"


class DuckDBSession:
    """An open connection to one version of the warehouse: DuckDB's ``Session``, which documents the methods.

    Attributes:
        duckdb: For queries, one at a time and inside ``domain_errors``.
        version: The version that is read.
        thread: For queries that run while the caller does something else.
        seconds: Time limit of a query.
        stopped: Set once ``interrupt`` was called.
        failed: Whether DuckDB reported an error.
        metadata_cache: What readings have found out about tables and queries of this version.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        version: Version,
        *,
        thread: Executor,
        seconds: float = math.inf,
        metadata_cache: dict[Relation | str, Any] | None = None,
    ) -> None:
        """Wrap ``connection``, which reads ``version``."""
        self.duckdb = connection
        self.version = version
        self.thread = thread
        self.seconds = seconds
        self.stopped = Event()
        self.failed = False
        self._lock = Lock()
        self._ended = False
        self.metadata_cache = {} if metadata_cache is None else metadata_cache

    def renew(self) -> "DuckDBSession":
        """A new session for another reading over the same DuckDB connection."""
        return DuckDBSession(
            self.duckdb, self.version, thread=self.thread, seconds=self.seconds, metadata_cache=self.metadata_cache
        )

    def columns(self, relation: Relation) -> tuple[Column, ...]:
        """The columns of ``relation``. Raises DatasetChanged when it does not exist."""
        with self.domain_errors():
            found = self.duckdb.sql(f"FROM {table_name(relation)}")
            return tuple(Column(name, str(of)) for name, of in zip(found.columns, found.types, strict=True))

    def columns_with_collations(self, relation: Relation) -> tuple[Column, ...]:
        """The columns of ``relation``; the type of one with a collation includes it: ``VARCHAR COLLATE NOCASE``."""
        columns = self.columns(relation)
        texts = [column.name for column in columns if column.type == "VARCHAR"]
        with self.domain_errors():
            found = _collations(self.duckdb, relation, texts)
        return tuple(
            replace(column, type=f"VARCHAR COLLATE {found[column.name]}") if column.name in found else column
            for column in columns
        )

    def fetch(self, query: Query) -> list[tuple[Any, ...]]:
        """All rows of a query with a small result."""
        return self._relation(query).fetchall()

    def is_large_table(self, relation: Relation) -> bool:
        """Whether this is a table with more rows than one range, whoever they belong to. Read once for each version."""
        key = f"whether {table_name(relation)} is large"
        if key not in self.metadata_cache:
            self.metadata_cache[key] = self._count_up_to(BLOCK_ROWS + 1, relation) > BLOCK_ROWS
        large: bool = self.metadata_cache[key]
        return large

    def blocks(self, query: Query) -> list[tuple[Any, ...]]:
        """The rows of a query about the blocks of a table."""
        try:
            return self.fetch(query)
        except (duckdb.BinderException, duckdb.ConversionException):  # a view has none; a column may shadow rowid
            return []

    def _count_up_to(self, limit: int, relation: Relation) -> int:
        """The number of rows of a table, but at most ``limit``; 0 for a view."""
        numbered = f"SELECT rowid FROM {table_name(relation)} LIMIT {limit:d}"  # noqa: S608 - the name is quoted
        try:
            ((rows,),) = self.fetch(Query(f"SELECT count(*) FROM ({numbered}) AS numbered", {}))  # noqa: S608
        except duckdb.BinderException:  # a view has no row numbers
            return 0
        return int(rows)

    def reader(self, query: Query, rows: int) -> pa.RecordBatchReader:
        """The rows of a query in batches of ``rows``."""
        return self._relation(query).to_arrow_reader(rows)

    def schema(self, query: Query) -> pa.Schema:
        """The schema of ``reader``, without reading."""
        return self._relation(query).limit(0).to_arrow_reader(1).schema

    def _relation(self, query: Query) -> duckdb.DuckDBPyRelation:
        return self.duckdb.sql(query.sql, params=query.params)

    def interrupt(self) -> None:
        """Stop the running query and refuse later ones, from any thread."""
        self.stopped.set()
        self.stop_query()

    def stop_query(self) -> None:
        """Stop the running query, if any; nothing after ``end``, when the connection may have another reading."""
        with self._lock, suppress(duckdb.Error):
            if not self._ended:
                self.duckdb.interrupt()

    def end(self) -> None:
        """End the reading: interrupts that come late are ignored."""
        with self._lock:
            self._ended = True

    def verify(self) -> None:
        """Raise WarehouseChanged when what is read was overwritten since it was opened."""
        if self.version.overwritten():
            raise WarehouseChanged

    @contextmanager
    def domain_errors(self) -> Iterator[None]:
        """Raise the domain error for an error of DuckDB. Overwriting and interrupting look like other errors."""
        if self.stopped.is_set():
            raise RunCancelled
        try:
            with interruptible():
                yield
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            self.failed = True
            self.verify()
            raise (RunCancelled() if self.stopped.is_set() else to_domain_error(error)) from None


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt for a signal that arrived during a statement in the main thread.

    DuckDB replaces the exception of the signal handler by a RuntimeError, which would look like a defect.
    """
    try:
        yield
    except RuntimeError as error:
        if str(error) == INTERRUPTED:
            raise KeyboardInterrupt from None
        raise


def to_domain_error(error: Exception) -> ExportError:
    """The domain error for an error of DuckDB. Its text is discarded: it can contain paths and values of other owners.

    Args:
        error: From DuckDB itself, or the OSError that an Arrow reader raises for it; both begin with the error's kind.
    """
    kind = error_kind(error)
    logger.warning("DuckDB failed: %s", kind)
    return _DOMAIN_ERRORS.get(kind, InternalFailure)()


def error_kind(error: Exception) -> str:
    """What DuckDB calls the error, such as ``Out of Memory``; the name of its class when it does not say."""
    begins = re.match(r"([A-Za-z ]{1,40}) Error:", str(error))
    return begins[1] if begins else type(error).__name__


_DOMAIN_ERRORS: Mapping[str, type[ExportError]] = {
    "Binder": DatasetChanged,
    "Catalog": DatasetChanged,
    "INTERRUPT": TimedOut,
    "IO": WarehouseUnavailable,
    "Out of Memory": OutOfMemory,
    "Serialization": WarehouseUnavailable,
}


def _collations(connection: duckdb.DuckDBPyConnection, relation: Relation, names: Sequence[str]) -> Mapping[str, str]:
    """The collations of those of the VARCHAR columns ``names`` that have one, by name.

    Args:
        connection: To be used inside ``domain_errors``, like any query.
    """
    if not names:
        return {}
    columns = ", ".join(f"{quote(name)} AS c{number}" for number, name in enumerate(names))
    made = f"CREATE OR REPLACE TEMP TABLE {_SCRATCH} AS SELECT {columns} FROM {table_name(relation)} LIMIT 0"  # noqa: S608 - names are quoted
    connection.execute(made)
    definition = "SELECT sql FROM duckdb_tables() WHERE temporary AND table_name = $name"
    ((sql,),) = connection.execute(definition, {"name": _SCRATCH}).fetchall()
    return {names[int(number)]: collation for number, collation in _COLLATED.findall(sql)}
