"""A channel of notifications in memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

from analytics_exports.domain.errors import DatabaseUnavailable


class FakeChannel:
    """Notifies everybody who listens. Set ``away`` to lose all connections."""

    def __init__(self) -> None:
        self.away = False
        self.changed = Condition()
        self.open: list[FakeListener] = []

    @contextmanager
    def listening(self) -> Iterator["FakeListener"]:
        """Listen from here on."""
        if self.away:
            raise DatabaseUnavailable
        listener = FakeListener(self)
        with self.changed:
            self.open.append(listener)
        try:
            yield listener
        finally:
            with self.changed:
                self.open.remove(listener)

    def notify(self, text: str = "") -> None:
        """Notify all listeners."""
        with self.changed:
            for listener in self.open:
                listener.texts.append(text)
            self.changed.notify_all()

    def lose(self) -> None:
        """Let the database be away."""
        with self.changed:
            self.away = True
            self.changed.notify_all()


class FakeListener:
    """Implements ``ports.Signal`` and ``ports.Notifications``."""

    def __init__(self, channel: FakeChannel) -> None:
        self.texts: list[str] = []
        self._channel = channel
        self._has_slot = False

    def wait(self, seconds: float) -> bool:
        return bool(self.receive(seconds))

    def receive(self, seconds: float) -> frozenset[str]:
        with self._channel.changed:
            self._channel.changed.wait_for(lambda: self.texts or self._channel.away, seconds)
            if self._channel.away:
                raise DatabaseUnavailable
            found, self.texts = frozenset(self.texts), []
            return found

    def listeners(self) -> int:
        with self._channel.changed:
            return len(self._channel.open)

    def acquire_slot(self, limit: int) -> bool:
        with self._channel.changed:
            self._has_slot = sum(other._has_slot for other in self._channel.open) < limit
            return self._has_slot
