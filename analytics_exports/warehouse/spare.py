"""A connection kept from one reading to the next, because opening one takes longer than reading a small export.

Only for a while, and only where somebody asked for it: an open file keeps writers away. A reading has the connection to
itself; one that began to fail, or that reads another version of the file than there is now, is not used again.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from analytics_exports.warehouse.connection import Connection, Limits, connect
from analytics_exports.warehouse.identity import identify


@dataclass(frozen=True, slots=True)
class _Open:
    """An open connection, under the name its queries use, and what closes it."""

    name: str
    connection: Connection
    closing: ExitStack


class Connections:
    """Connections to one file, for one reading each; safe to share between threads."""

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
    def connect(self, name: str) -> Iterator[Connection]:
        """A connection for one reading, as ``connection.connect`` makes it and with what it raises."""
        opened = self._take(name) or self._opened(name)
        reading = opened.connection.again()
        try:
            yield reading
        finally:
            if reading.failed:
                opened.closing.close()
            else:
                self._put(opened)

    def _opened(self, name: str) -> _Open:
        with ExitStack() as held:
            opening: AbstractContextManager[Connection] = connect(self._path, name, *self._arguments)
            connection = held.enter_context(opening)
            return _Open(name, connection, held.pop_all())

    def _take(self, name: str) -> _Open | None:
        """The spare connection if it can be used; one that cannot is closed."""
        with self._lock:
            spare, self._spare = self._spare, None
        if spare is None or (spare.name == name and spare.connection.identity == identify(self._path)):
            return spare
        spare.closing.close()
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
