"""Opening the warehouse: a private, hardened, read-only DuckDB for each reading.

Each reading has an in-memory DuckDB of its own that attaches the source, so it sees the newest version even while
older readings of the same process continue. It can access that one file, or the folders of one table, and nothing else;
its configuration is locked, and its memory, threads and time are limited.

To start a DuckDB takes fifteen milliseconds, to attach a file half of one. So a DuckDB that had no error is kept, with
nothing attached, for the next reading of the same files, and so is what was found out about the version that was read.
Inside ``ConnectionCache.keep_alive`` the source stays attached too; only there: an open file keeps writers away.
"""

import logging
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import duckdb

from analytics_exports.domain.dataset import Relation
from analytics_exports.domain.errors import DatasetChanged, WarehouseBusy, WarehouseUnavailable
from analytics_exports.warehouse.duckdb_session import DuckDBSession, error_kind, interruptible
from analytics_exports.warehouse.identifiers import literal, quote
from analytics_exports.warehouse.sources import Access, Source, Version, source_of
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
_MOST_IDLE = 2
"""Instances that are kept: as many as queries usually run at once; more are started when they are needed."""


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """Limits of one connection: memory as DuckDB spells it, threads, and seconds for each query."""

    memory: str
    threads: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Instance:
    """A DuckDB for one reading at a time, the files that it can access, and what closes it."""

    access: Access
    duckdb: duckdb.DuckDBPyConnection
    thread: ThreadPoolExecutor
    closing: ExitStack


@dataclass(frozen=True, slots=True)
class _Attached:
    """An instance with the source, and what of it can be read."""

    instance: _Instance
    scope_key: Relation | str
    session: DuckDBSession

    def detach(self) -> None:
        """Close the files of the source. Raises duckdb.Error."""
        database = self.scope_key if isinstance(self.scope_key, str) else self.scope_key.database
        self.instance.duckdb.execute(f"DETACH {quote(database)}")


class ConnectionCache:
    """Connections to one file or folder, for one reading each. Thread-safe."""

    def __init__(self, path: Path, limits: QueryLimits, spill_root: Path, lock_timeout: float) -> None:
        """Open nothing yet.

        Args:
            lock_timeout: How long to wait for a writer to finish, in seconds.
        """
        self._path = path
        self._limits, self._spill_root, self._lock_timeout = limits, spill_root, lock_timeout
        self._lock = Lock()
        self._users = 0
        self._attached: _Attached | None = None
        self._idle: list[_Instance] = []
        self._known: tuple[Version, Relation | str, dict[Relation | str, Any]] | None = None

    @contextmanager
    def keep_alive(self) -> Iterator[None]:
        """Keep the source open between the readings inside the block."""
        with self._lock:
            self._users += 1
        try:
            yield
        finally:
            with self._lock:
                self._users -= 1
                unused, self._attached = (self._attached, None) if not self._users else (None, self._attached)
            if unused:
                self._detach(unused)

    @contextmanager
    def connect(self, relation: Relation) -> Iterator[DuckDBSession]:
        """A connection for one reading of one table.

        Raises:
            DatasetChanged: there cannot be such a table.
            WarehouseBusy: a writer holds the file and did not finish in time.
            WarehouseUnavailable: there is no readable file.
        """
        attached = self._reuse(relation) or self._attach(relation)
        reading = attached.session.renew()
        try:
            yield reading
        finally:
            reading.end()
            if reading.failed:
                attached.instance.closing.close()
            else:
                self._release(attached)

    def _reuse(self, relation: Relation) -> _Attached | None:
        """The source as it is attached, if it can be used; otherwise it is detached."""
        with self._lock:
            attached, self._attached = self._attached, None
        if attached is None:
            return None
        with ExitStack() as otherwise:
            otherwise.callback(self._detach, attached)
            source = source_of(self._path)
            current = attached.session.version == source.version(relation)
            if current and attached.scope_key == source.scope_key(relation):
                otherwise.pop_all()
                return attached
        return None

    def _release(self, attached: _Attached) -> None:
        """Keep the source attached if that is wanted and no other is; detach it otherwise."""
        with self._lock:
            keep = self._users > 0 and self._attached is None
            if keep:
                self._attached = attached
        if not keep:
            self._detach(attached)

    def _detach(self, attached: _Attached) -> None:
        """Let go of the source, and keep the instance unless a reading that was left before its end keeps it busy."""
        instance = attached.instance
        with ExitStack() as otherwise, suppress(duckdb.Error):
            otherwise.push(instance.closing)
            attached.detach()
            otherwise.pop_all()
            with self._lock:
                self._idle.append(instance)
                unused = self._idle.pop(0) if len(self._idle) > _MOST_IDLE else None
            if unused:
                otherwise.push(unused.closing)

    def _attach(self, relation: Relation) -> _Attached:
        """Attach the source; while a writer holds it, retry until the time is over."""
        if relation.database.lower() in _RESERVED:
            raise DatasetChanged
        deadline, pause = time.monotonic() + self._lock_timeout, _FIRST_PAUSE
        while True:
            try:
                return self._attach_once(source_of(self._path), relation)
            except WarehouseBusy:
                if time.monotonic() + pause > deadline:
                    raise
            time.sleep(pause)
            pause = min(2 * pause, _MAX_PAUSE)

    def _attach_once(self, source: Source, relation: Relation) -> _Attached:
        """Attach the source. Raises WarehouseBusy also when it was replaced at that moment: either may be open."""
        before = source.version(relation)
        instance = self._take_idle(source.access(relation)) or _start(
            source.access(relation), self._limits, self._spill_root
        )
        with ExitStack() as otherwise:
            otherwise.push(instance.closing)
            try:
                with _opening_errors():
                    source.attach(instance.duckdb, relation)
            except WarehouseUnavailable:
                if source.version(relation) == before:
                    raise
                raise WarehouseBusy from None
            if source.version(relation) != before:
                raise WarehouseBusy
            otherwise.pop_all()
        scope_key = source.scope_key(relation)
        known = self._known
        if known is None or known[:2] != (before, scope_key):
            known = self._known = (before, scope_key, {})
        session = DuckDBSession(
            instance.duckdb,
            before,
            thread=instance.thread,
            seconds=self._limits.seconds,
            metadata_cache=known[2],
        )
        return _Attached(instance, scope_key, session)

    def _take_idle(self, access: Access) -> _Instance | None:
        with self._lock:
            for instance in self._idle:
                if instance.access == access:
                    self._idle.remove(instance)
                    return instance
        return None


def _start(access: Access, limits: QueryLimits, spill_root: Path) -> _Instance:
    """Start a DuckDB that can access these files and folders, and nothing else."""
    with ExitStack() as held:
        folder = held.enter_context(spill_folder(spill_root))
        connection = held.enter_context(duckdb.connect(":memory:", config=_configuration(limits, folder)))
        with _opening_errors():
            for setting, paths in (("allowed_paths", access.files), ("allowed_directories", access.folders)):
                connection.execute(f"SET GLOBAL {setting} = [{', '.join(map(literal, paths))}]")
            for setting in ("TimeZone = 'UTC'", "enable_external_access = false", "lock_configuration = true"):
                connection.execute(f"SET GLOBAL {setting}")
        thread = held.enter_context(ThreadPoolExecutor(1, "warehouse"))
        return _Instance(access, connection, thread, held.pop_all())


def _configuration(limits: QueryLimits, folder: Path) -> dict[str, str | bool | int | float | list[str]]:
    return {
        **_HARDENING,
        "max_execution_time": str(max(1, round(limits.seconds * 1000))),
        "memory_limit": limits.memory,
        "temp_directory": str(folder),
        "threads": str(limits.threads),
    }


@contextmanager
def _opening_errors() -> Iterator[None]:
    """Raise the domain error for why DuckDB cannot be opened. It distinguishes a lock only in its message."""
    try:
        with interruptible():
            yield
    except duckdb.Error as error:
        if isinstance(error, duckdb.IOException) and "Could not set lock" in str(error):
            raise WarehouseBusy from None
        logger.warning("DuckDB cannot open the warehouse: %s", error_kind(error))
        raise WarehouseUnavailable from None
