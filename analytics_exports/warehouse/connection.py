"""Opening the warehouse: a private, hardened, read-only DuckDB for each reading, and what its errors mean.

Each connection is an in-memory DuckDB of its own that attaches the source, so it sees the newest version even while
older readings of the same process go on. It can reach that one file, or the folders of one table, and nothing else; its
configuration is locked, and its memory, threads and time are limited. SQL text belongs to ``compiler``.
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
from analytics_exports.warehouse.identifiers import literal, table
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
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.5

INTERRUPTED = "Query interrupted"
"""What DuckDB says when a signal's handler raised an exception."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may use: memory as DuckDB spells it, threads, seconds for each query."""

    memory: str
    threads: int
    seconds: float


class Connection:
    """One version of the warehouse, open for reading: DuckDB's ``Session``, which says what the methods do.

    Attributes:
        duckdb: For whoever runs queries, one at a time and inside ``translated``.
        version: What is read.
        seconds: How long a query may take.
        stopped: Set once ``interrupt`` was called.
        failed: Whether DuckDB reported an error.
        known: What readings have found out about the columns of tables and queries of this version.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        version: Version,
        *,
        seconds: float = math.inf,
        known: dict[Relation | str, Any] | None = None,
    ) -> None:
        """Take over ``connection``, which reads ``version``."""
        self.duckdb = connection
        self.version = version
        self.seconds = seconds
        self.stopped = Event()
        self.failed = False
        self.known = {} if known is None else known

    def again(self) -> "Connection":
        """The same for one more reading."""
        return Connection(self.duckdb, self.version, seconds=self.seconds, known=self.known)

    def columns(self, relation: Relation) -> tuple[Column, ...]:
        """The columns of ``relation``. Raises DatasetChanged when it does not exist."""
        with self.translated():
            found = self.duckdb.sql(f"FROM {table(relation)}")
            return tuple(Column(name, str(of)) for name, of in zip(found.columns, found.types, strict=True))

    def described(self, relation: Relation) -> tuple[Column, ...]:
        """The same; the type of one that compares loosely says so, as ``VARCHAR COLLATE NOCASE`` does."""
        columns = self.columns(relation)
        texts = [column.name for column in columns if column.type == "VARCHAR"]
        with self.translated():
            found = collations(self.duckdb, relation, texts)
        return tuple(
            replace(column, type=f"VARCHAR COLLATE {found[column.name]}") if column.name in found else column
            for column in columns
        )

    def fetch(self, query: Query) -> list[tuple[Any, ...]]:
        """All rows of a query that has few."""
        return self._relation(query).fetchall()

    def blocks(self, query: Query) -> list[tuple[Any, ...]]:
        """The rows of a query about the blocks of a table; none where it has no blocks."""
        try:
            return self.fetch(query)
        except (duckdb.BinderException, duckdb.ConversionException):  # a view has none, nor a table that hides them
            return []

    def reader(self, query: Query, rows: int) -> pa.RecordBatchReader:
        """The rows of a query, so many at a time."""
        return self._relation(query).to_arrow_reader(rows)

    def schema(self, query: Query) -> pa.Schema:
        """The schema of ``reader``, without reading."""
        return self._relation(query).limit(0).to_arrow_reader(1).schema

    def _relation(self, query: Query) -> duckdb.DuckDBPyRelation:
        return self.duckdb.sql(query.sql, params=query.params)

    def interrupt(self) -> None:
        """Stop the query that is running and any later one, from any thread."""
        self.stopped.set()
        self.stop_query()

    def stop_query(self) -> None:
        """Stop the query that is running, if any; nothing happens when the connection is closed already."""
        with suppress(duckdb.Error):
            self.duckdb.interrupt()

    def verify(self) -> None:
        """Raise WarehouseChanged when what is read was overwritten since it was opened."""
        if self.version.overwritten():
            raise WarehouseChanged

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raise what an error of DuckDB means instead of the error. Overwriting and interrupting look like others."""
        if self.stopped.is_set():
            raise RunCancelled
        try:
            with _interruptible():
                yield
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            self.failed = True
            self.verify()
            raise (RunCancelled() if self.stopped.is_set() else meaning(error)) from None


@contextmanager
def connect(
    source: Source, relation: Relation, limits: Limits, spill_root: Path, patience: float
) -> Iterator[Connection]:
    """A connection to one table of the warehouse.

    Args:
        patience: How long to wait for a writer to finish, in seconds.

    Raises:
        DatasetChanged: there cannot be such a table.
        WarehouseBusy: a writer holds the file and did not finish in time.
        WarehouseUnavailable: there is no readable file.
    """
    if relation.database.lower() in _RESERVED:
        raise DatasetChanged
    with spill_folder(spill_root) as folder:
        connection, version = _patiently(source, relation, limits, folder, patience)
        with connection:
            yield Connection(connection, version, seconds=limits.seconds)


def meaning(error: Exception) -> ExportError:
    """What an error of DuckDB means here. Its text is left behind: it can hold paths and cells of other owners.

    Args:
        error: From DuckDB itself, or the OSError as which it arrives through an Arrow reader; both begin with its kind.
    """
    kind = _kind(error)
    logger.warning("DuckDB failed: %s", kind)
    return _MEANINGS.get(kind, InternalFailure)()


def _kind(error: Exception) -> str:
    begins = re.match(r"([A-Za-z ]{1,40}) Error:", str(error))
    return begins[1] if begins else type(error).__name__


_MEANINGS: Mapping[str, type[ExportError]] = {
    "Binder": DatasetChanged,
    "Catalog": DatasetChanged,
    "INTERRUPT": TimedOut,
    "IO": WarehouseUnavailable,
    "Out of Memory": OutOfMemory,
    "Serialization": WarehouseUnavailable,
}


def _patiently(
    source: Source, relation: Relation, limits: Limits, folder: Path, patience: float
) -> tuple[duckdb.DuckDBPyConnection, Version]:
    """Open the source; while a writer holds it, try again until ``patience`` is over."""
    deadline, pause = time.monotonic() + patience, _FIRST_PAUSE
    while True:
        try:
            return _attempt(source, relation, limits, folder)
        except WarehouseBusy:
            if time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _attempt(
    source: Source, relation: Relation, limits: Limits, folder: Path
) -> tuple[duckdb.DuckDBPyConnection, Version]:
    """Open the source once. Raises WarehouseBusy also when it was replaced at that moment: which one is open then?"""
    before = source.version(relation)
    connection = _open(source, relation, limits, folder)
    if source.version(relation) != before:
        connection.close()
        raise WarehouseBusy
    return connection, before


def _open(source: Source, relation: Relation, limits: Limits, folder: Path) -> duckdb.DuckDBPyConnection:
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
        raise _refusal(error) from None
    return connection


@contextmanager
def _interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt for a signal that arrived during a statement in the main thread.

    DuckDB replaces what the signal's handler raised by a RuntimeError, which would be taken for a defect.
    """
    try:
        yield
    except RuntimeError as error:
        if str(error) == INTERRUPTED:
            raise KeyboardInterrupt from None
        raise


def _refusal(error: duckdb.Error) -> ExportError:
    """Why the file could not be opened. DuckDB tells a lock from other trouble only in its text."""
    busy = isinstance(error, duckdb.IOException) and "Could not set lock" in str(error)
    if busy:
        return WarehouseBusy()
    logger.warning("DuckDB cannot open the warehouse: %s", _kind(error))
    return WarehouseUnavailable()
