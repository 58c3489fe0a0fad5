"""Opening the warehouse: a private, hardened, read-only DuckDB for each reading, and what its errors mean.

Each connection is an in-memory DuckDB of its own that attaches the file, so it sees the newest version even while older
readings of the same process go on. It can read that one file and nothing else, its configuration is locked, and its
memory, threads and time are limited. SQL text belongs to ``compiler``.
"""

import logging
import math
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import duckdb
import pyarrow as pa

from analytics_exports.domain.dataset import Relation
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
from analytics_exports.warehouse.identifiers import literal, quote
from analytics_exports.warehouse.identity import Identity, identify, overwritten
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


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection may use: memory as DuckDB spells it, threads, seconds for each query."""

    memory: str
    threads: int
    seconds: float


class Connection:
    """One version of the warehouse, open for reading.

    Attributes:
        duckdb: For whoever runs queries, one at a time and inside ``translated``.
        identity: The version that is read.
        seconds: How long a query may take.
        stopped: Set once ``interrupt`` was called.
        failed: Whether DuckDB reported an error.
        known: What readings have found out about the columns of tables and queries of this version.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        path: Path,
        identity: Identity,
        *,
        seconds: float = math.inf,
        known: dict[Relation | str, Any] | None = None,
    ) -> None:
        """Take over ``connection``, which reads the version ``identity`` of the file at ``path``."""
        self.duckdb = connection
        self.identity = identity
        self.seconds = seconds
        self.stopped = Event()
        self.failed = False
        self.known = {} if known is None else known
        self._path = path

    def again(self) -> "Connection":
        """The same for one more reading."""
        return Connection(self.duckdb, self._path, self.identity, seconds=self.seconds, known=self.known)

    def interrupt(self) -> None:
        """Stop the query that is running and any later one, from any thread."""
        self.stopped.set()
        self.stop_query()

    def stop_query(self) -> None:
        """Stop the query that is running, if any; nothing happens when the connection is closed already."""
        with suppress(duckdb.Error):
            self.duckdb.interrupt()

    def verify(self) -> None:
        """Raise WarehouseChanged when the file was overwritten in place since it was opened."""
        if overwritten(self._path, self.identity):
            raise WarehouseChanged

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raise what an error of DuckDB means instead of the error. Overwriting and interrupting look like others."""
        if self.stopped.is_set():
            raise RunCancelled
        try:
            yield
        except (duckdb.Error, pa.ArrowException, OSError) as error:
            self.failed = True
            self.verify()
            raise (RunCancelled() if self.stopped.is_set() else meaning(error)) from None


@contextmanager
def connect(path: Path, name: str, limits: Limits, spill_root: Path, patience: float) -> Iterator[Connection]:
    """A connection to the warehouse, which its queries call ``name``.

    Args:
        patience: How long to wait for a writer to finish, in seconds.

    Raises:
        WarehouseBusy: a writer holds the file and did not finish in time.
        WarehouseUnavailable: there is no readable file.
    """
    if name.lower() in _RESERVED:
        raise DatasetChanged
    with spill_folder(spill_root) as folder:
        connection, identity = _patiently(path, name, limits, folder, patience)
        with connection:
            yield Connection(connection, path, identity, seconds=limits.seconds)


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
    path: Path, name: str, limits: Limits, folder: Path, patience: float
) -> tuple[duckdb.DuckDBPyConnection, Identity]:
    """Open the file; while a writer holds it, try again until ``patience`` is over."""
    deadline, pause = time.monotonic() + patience, _FIRST_PAUSE
    while True:
        try:
            return _attempt(path, name, limits, folder)
        except WarehouseBusy:
            if time.monotonic() + pause > deadline:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _attempt(path: Path, name: str, limits: Limits, folder: Path) -> tuple[duckdb.DuckDBPyConnection, Identity]:
    """Open the file once. Raises WarehouseBusy also when it was replaced at that moment: which one is open then?"""
    before = identify(path)
    connection = _open(path, name, limits, folder)
    if identify(path) != before:
        connection.close()
        raise WarehouseBusy
    return connection, before


def _open(path: Path, name: str, limits: Limits, folder: Path) -> duckdb.DuckDBPyConnection:
    config: dict[str, str | bool | int | float | list[str]] = {
        **_HARDENING,
        "max_execution_time": str(max(1, round(limits.seconds * 1000))),
        "memory_limit": limits.memory,
        "temp_directory": str(folder),
        "threads": str(limits.threads),
    }
    connection = duckdb.connect(":memory:", config=config)
    try:
        connection.execute(f"ATTACH {literal(str(path))} AS {quote(name)} (READ_ONLY)")
        for setting in ("TimeZone = 'UTC'", "enable_external_access = false", "lock_configuration = true"):
            connection.execute(f"SET GLOBAL {setting}")
    except duckdb.Error as error:
        connection.close()
        raise _refusal(error) from None
    return connection


def _refusal(error: duckdb.Error) -> ExportError:
    """Why the file could not be opened. DuckDB tells a lock from other trouble only in its text."""
    busy = isinstance(error, duckdb.IOException) and "Could not set lock" in str(error)
    if busy:
        return WarehouseBusy()
    logger.warning("DuckDB cannot open the warehouse: %s", _kind(error))
    return WarehouseUnavailable()
