"""Opening the warehouse: a private, hardened, read-only DuckDB, kept open between readings where that is wanted.

Each connection is an in-memory DuckDB of its own that attaches the source, so it sees the newest version even while
older readings of the same process continue. It can access that one file, or the folders of one table, and nothing else;
its configuration is locked, and its memory, threads and time are limited.

Opening one takes longer than reading a small export. Inside ``ConnectionCache.keep_alive`` it is kept for the next
reading; only there, because an open file keeps writers away. Each reading uses a connection exclusively; one that had
an error, or that reads another version than the current one, is not reused.
"""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

import duckdb

from analytics_exports.domain.dataset import Relation
from analytics_exports.domain.errors import DatasetChanged, ExportError, WarehouseBusy, WarehouseUnavailable
from analytics_exports.warehouse.duckdb_session import DuckDBSession, error_kind, interruptible
from analytics_exports.warehouse.identifiers import literal
from analytics_exports.warehouse.sources import Source, Version, source_of
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


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Limits of one connection: memory as DuckDB spells it, threads, and seconds for each query."""

    memory: str
    threads: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _CachedConnection:
    """An open connection, what it can read, and what closes it."""

    scope_key: Relation | str
    session: DuckDBSession
    closing: ExitStack


class ConnectionCache:
    """Connections to one file or folder, for one reading each. Thread-safe."""

    def __init__(self, path: Path, limits: QueryLimits, spill_root: Path, lock_timeout: float) -> None:
        """Open nothing yet. ``connect`` documents the arguments."""
        self._path = path
        self._arguments = limits, spill_root, lock_timeout
        self._lock = Lock()
        self._users = 0
        self._cached: _CachedConnection | None = None

    @contextmanager
    def keep_alive(self) -> Iterator[None]:
        """Keep a connection open between the readings inside the block."""
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
            self._put(None)

    @contextmanager
    def connect(self, relation: Relation) -> Iterator[DuckDBSession]:
        """A connection for one reading. Raises as the function ``connect``."""
        opened = self._reuse(relation) or self._opened(relation)
        reading = opened.session.renew()
        try:
            yield reading
        finally:
            if reading.failed:
                opened.closing.close()
            else:
                self._put(opened)

    def _opened(self, relation: Relation) -> _CachedConnection:
        with ExitStack() as held:
            source = source_of(self._path)
            opening: AbstractContextManager[DuckDBSession] = connect(source, relation, *self._arguments)
            session = held.enter_context(opening)
            return _CachedConnection(source.scope_key(relation), session, held.pop_all())

    def _reuse(self, relation: Relation) -> _CachedConnection | None:
        """The cached connection if it can be used; otherwise it is closed."""
        with self._lock:
            cached, self._cached = self._cached, None
        if cached is None:
            return None
        with ExitStack() as closing:
            closing.push(cached.closing)
            source = source_of(self._path)
            if cached.scope_key == source.scope_key(relation) and cached.session.version == source.version(relation):
                closing.pop_all()
                return cached
        return None

    def _put(self, opened: _CachedConnection | None) -> None:
        """Cache a connection if that is wanted and none is cached; close it otherwise."""
        with self._lock:
            keep = self._users > 0 and self._cached is None
            if keep:
                self._cached, opened = opened, None
            elif not self._users and opened is None:
                self._cached, opened = None, self._cached
        if opened:
            opened.closing.close()


@contextmanager
def connect(
    source: Source, relation: Relation, limits: QueryLimits, spill_root: Path, lock_timeout: float
) -> Iterator[DuckDBSession]:
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
        with connection, ThreadPoolExecutor(1, "warehouse") as thread:
            yield DuckDBSession(connection, version, thread=thread, seconds=limits.seconds)


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
        with interruptible():
            folders = ", ".join(literal(f"{folder}/") for folder in source.attach(connection, relation))
            connection.execute(f"SET GLOBAL allowed_directories = [{folders}]")
            for setting in ("TimeZone = 'UTC'", "enable_external_access = false", "lock_configuration = true"):
                connection.execute(f"SET GLOBAL {setting}")
    except duckdb.Error as error:
        connection.close()
        raise _opening_error(error) from None
    return connection


def _opening_error(error: duckdb.Error) -> ExportError:
    """Why the file could not be opened. DuckDB distinguishes a lock from other errors only in its message."""
    busy = isinstance(error, duckdb.IOException) and "Could not set lock" in str(error)
    if busy:
        return WarehouseBusy()
    logger.warning("DuckDB cannot open the warehouse: %s", error_kind(error))
    return WarehouseUnavailable()
