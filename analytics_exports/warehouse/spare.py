"""A connection kept from one reading to the next, because opening one takes longer than reading a small export.

Only for a while, and only where somebody asked for it: an open file keeps writers away. A reading has the connection to
itself; one that began to fail, or that reads another version than there is now, is not used again.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from analytics_exports.domain.dataset import Relation
from analytics_exports.warehouse.connection import Connection, Limits, connect
from analytics_exports.warehouse.sources import source_of


@dataclass(frozen=True, slots=True)
class _Open:
    """An open connection, what it can read, and what closes it."""

    reach: Relation | str
    connection: Connection
    closing: ExitStack


class Connections:
    """Connections to one file or folder, for one reading each; safe to share between threads."""

    def __init__(self, path: Path, limits: Limits, spill_root: Path, patience: float) -> None:
        """See ``connection.connect``; nothing is opened yet."""
        self._path = path
        self._arguments = limits, spill_root, patience
        self._lock = Lock()
        self._keepers = 0
        self._spare: _Open | None = None

    @contextmanager
    def keeping(self) -> Iterator[None]:
        """Keep a connection open between the readings inside the block."""
        with self._lock:
            self._keepers += 1
        try:
            yield
        finally:
            with self._lock:
                self._keepers -= 1
            self._put(None)

    @contextmanager
    def connect(self, relation: Relation) -> Iterator[Connection]:
        """A connection for one reading, as ``connection.connect`` makes it and with what it raises."""
        opened = self._take(relation) or self._opened(relation)
        reading = opened.connection.again()
        try:
            yield reading
        finally:
            if reading.failed:
                opened.closing.close()
            else:
                self._put(opened)

    def _opened(self, relation: Relation) -> _Open:
        with ExitStack() as held:
            source = source_of(self._path)
            opening: AbstractContextManager[Connection] = connect(source, relation, *self._arguments)
            connection = held.enter_context(opening)
            return _Open(source.reach(relation), connection, held.pop_all())

    def _take(self, relation: Relation) -> _Open | None:
        """The spare connection if it can be used; one that cannot is closed."""
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is None:
            return None
        with ExitStack() as closing:
            closing.push(spare.closing)
            source = source_of(self._path)
            if spare.reach == source.reach(relation) and spare.connection.version == source.version(relation):
                closing.pop_all()
                return spare
        return None

    def _put(self, opened: _Open | None) -> None:
        """Keep a connection if that is wanted and there is none; close what is not kept."""
        with self._lock:
            keep = self._keepers > 0 and self._spare is None
            if keep:
                self._spare, opened = opened, None
            elif not self._keepers and opened is None:
                self._spare, opened = None, self._spare
        if opened:
            opened.closing.close()
