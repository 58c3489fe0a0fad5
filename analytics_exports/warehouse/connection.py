"""Opening the warehouse: a private, hardened, read-only DuckDB for each reading, and the meaning of its errors.

Each connection is an in-memory DuckDB of its own that attaches the source, so it sees the newest version even while
older readings of the same process continue. It can access that one file, or the folders of one table, and nothing else;
its configuration is locked, and its memory, threads and time are limited. SQL belongs to ``compiler``.
"""

import logging
import math
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event
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
    WarehouseBusy,
    WarehouseChanged,
    WarehouseUnavailable,
)
from analytics_exports.warehouse.collations import collations
from analytics_exports.warehouse.compiler import Query
from analytics_exports.warehouse.identifiers import literal, table_name
from analytics_exports.warehouse.sources import Source, Version
from analytics_exports.warehouse.spill import spill_folder

logger = logging.getLogger(__name__)

_HARDENING = {
    "allow_community_extensions": "false",
    "allow_extension_repositories": "forbidden",
    "allow_persistent_secrets": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "enable_external_file_cache": "false",
    "late_materialization_max_rows": "5000",
    "python_enable_replacements": "false",
    "secret_directory": "/nonexistent",
}
_RESERVED = frozenset({"main", "memory", "system", "temp"})
_FIRST_PAUSE, _MAX_PAUSE = 0.02, 0.5

INTERRUPTED = "Query interrupted"
"""DuckDB's message when a signal handler raised an exception."""


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Limits of one connection: memory as DuckDB spells it, threads, and seconds for each query."""

    memory: str
    threads: int
    seconds: float


class Connection:
    """An open connection to one version of the warehouse: DuckDB's ``Session``, which documents the methods.

    Attributes:
        duckdb: For queries, one at a time and inside ``domain_errors``.
        version: The version that is read.
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
        seconds: float = math.inf,
        metadata_cache: dict[Relation | str, Any] | None = None,
    ) -> None:
        """Wrap ``connection``, which reads ``version``."""
        self.duckdb = connection
        self.version = version
        self.seconds = seconds
        self.stopped = Event()
        self.failed = False
        self.metadata_cache = {} if metadata_cache is None else metadata_cache

    def renew(self) -> "Connection":
        """A new Connection object for another reading over the same DuckDB connection."""
        return Connection(self.duckdb, self.version, seconds=self.seconds, metadata_cache=self.metadata_cache)

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
            found = collations(self.duckdb, relation, texts)
        return tuple(
            replace(column, type=f"VARCHAR COLLATE {found[column.name]}") if column.name in found else column
            for column in columns
        )

    def fetch(self, query: Query) -> list[tuple[Any, ...]]:
        """All rows of a query with a small result."""
        return self._relation(query).fetchall()

    def blocks(self, query: Query) -> list[tuple[Any, ...]]:
        """The rows of a query about the blocks of a table; none where it has no blocks."""
        try:
            return self.fetch(query)
        except (duckdb.BinderException, duckdb.ConversionException):  # a view has none; a column may shadow rowid
            return []

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
        """Stop the running query, if any; safe after the connection was closed."""
        with suppress(duckdb.Error):
            self.duckdb.interrupt()

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
            with _interruptible():
                yield
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            self.failed = True
            self.verify()
            raise (RunCancelled() if self.stopped.is_set() else to_domain_error(error)) from None


@contextmanager
def connect(
    source: Source, relation: Relation, limits: QueryLimits, spill_root: Path, lock_timeout: float
) -> Iterator[Connection]:
    """A connection to one table of the warehouse.

    Args:
        lock_timeout: How long to wait for a writer to finish, in seconds.

    Raises:
        DatasetChanged: there cannot be such a table.
        WarehouseBusy: a writer holds the file and did not finish in time.
        WarehouseUnavailable: there is no readable file.
    """
    if relation.database.lower() in _RESERVED:
        raise DatasetChanged
    with spill_folder(spill_root) as folder:
        connection, version = _open_when_unlocked(source, relation, limits, folder, lock_timeout)
        with connection:
            yield Connection(connection, version, seconds=limits.seconds)


def to_domain_error(error: Exception) -> ExportError:
    """The domain error for an error of DuckDB. Its text is discarded: it can contain paths and values of other owners.

    Args:
        error: From DuckDB itself, or the OSError that an Arrow reader raises for it; both begin with the error's kind.
    """
    kind = _kind(error)
    logger.warning("DuckDB failed: %s", kind)
    return _DOMAIN_ERRORS.get(kind, InternalFailure)()


def _kind(error: Exception) -> str:
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


def _open_when_unlocked(
    source: Source, relation: Relation, limits: QueryLimits, folder: Path, lock_timeout: float
) -> tuple[duckdb.DuckDBPyConnection, Version]:
    """Open the source; while a writer holds it, retry until ``lock_timeout`` is over."""
    deadline, pause = time.monotonic() + lock_timeout, _FIRST_PAUSE
    while True:
        try:
            return _open_once(source, relation, limits, folder)
        except WarehouseBusy:
            if time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _MAX_PAUSE)


def _open_once(
    source: Source, relation: Relation, limits: QueryLimits, folder: Path
) -> tuple[duckdb.DuckDBPyConnection, Version]:
    """Open the source. Raises WarehouseBusy also when it was replaced at that moment: either version may be open."""
    before = source.version(relation)
    connection = _open(source, relation, limits, folder)
    if source.version(relation) != before:
        connection.close()
        raise WarehouseBusy
    return connection, before


def _open(source: Source, relation: Relation, limits: QueryLimits, folder: Path) -> duckdb.DuckDBPyConnection:
    config: dict[str, str | bool | int | float | list[str]] = {
        **_HARDENING,
        "max_execution_time": str(max(1, round(limits.seconds * 1000))),
        "memory_limit": limits.memory,
        "temp_directory": str(folder),
        "threads": str(limits.threads),
    }
    connection = duckdb.connect(":memory:", config=config)
    try:
        with _interruptible():
            folders = ", ".join(literal(f"{folder}/") for folder in source.attach(connection, relation))
            connection.execute(f"SET GLOBAL allowed_directories = [{folders}]")
            for setting in ("TimeZone = 'UTC'", "enable_external_access = false", "lock_configuration = true"):
                connection.execute(f"SET GLOBAL {setting}")
    except duckdb.Error as error:
        connection.close()
        raise _opening_error(error) from None
    return connection


@contextmanager
def _interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt for a signal that arrived during a statement in the main thread.

    DuckDB replaces the exception of the signal handler by a RuntimeError, which would look like a defect.
    """
    try:
        yield
    except RuntimeError as error:
        if str(error) == INTERRUPTED:
            raise KeyboardInterrupt from None
        raise


def _opening_error(error: duckdb.Error) -> ExportError:
    """Why the file could not be opened. DuckDB distinguishes a lock from other errors only in its message."""
    busy = isinstance(error, duckdb.IOException) and "Could not set lock" in str(error)
    if busy:
        return WarehouseBusy()
    logger.warning("DuckDB cannot open the warehouse: %s", _kind(error))
    return WarehouseUnavailable()
