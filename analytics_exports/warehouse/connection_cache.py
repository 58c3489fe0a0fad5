"""Keeps a connection open between readings, because opening one takes longer than reading a small export.

Only inside ``keep_alive``: an open file keeps writers away. Each reading uses the connection exclusively; one that had
an error, or that reads another version than the current one, is not reused.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from analytics_exports.domain.dataset import Relation
from analytics_exports.warehouse.connection import Connection, QueryLimits, connect
from analytics_exports.warehouse.sources import source_of


@dataclass(frozen=True, slots=True)
class _CachedConnection:
    """An open connection, what it can read, and what closes it."""

    scope_key: Relation | str
    connection: Connection
    closing: ExitStack


class ConnectionCache:
    """Connections to one file or folder, for one reading each. Thread-safe."""

    def __init__(self, path: Path, limits: QueryLimits, spill_root: Path, lock_timeout: float) -> None:
        """Open nothing yet. ``connection.connect`` documents the arguments."""
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
    def connect(self, relation: Relation) -> Iterator[Connection]:
        """A connection for one reading. Raises as ``connection.connect``."""
        opened = self._reuse(relation) or self._opened(relation)
        reading = opened.connection.renew()
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
            opening: AbstractContextManager[Connection] = connect(source, relation, *self._arguments)
            connection = held.enter_context(opening)
            return _CachedConnection(source.scope_key(relation), connection, held.pop_all())

    def _reuse(self, relation: Relation) -> _CachedConnection | None:
        """The cached connection if it can be used; otherwise it is closed."""
        with self._lock:
            cached, self._cached = self._cached, None
        if cached is None:
            return None
        with ExitStack() as closing:
            closing.push(cached.closing)
            source = source_of(self._path)
            if cached.scope_key == source.scope_key(relation) and cached.connection.version == source.version(relation):
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
