"""Notifications in memory: what happens while a caller waits is scripted by the test."""

from collections import deque
from collections.abc import Callable


class FakeSignal:
    """Implements ``ports.Signal``. Each wait takes the next step of ``script``; then there is no notification."""

    def __init__(self, *script: Callable[[], object], listeners: int = 2, slots: int = 1) -> None:
        self.waits: list[float] = []
        self._script = deque(script)
        self._listeners = listeners
        self._slots = slots

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        if not self._script:
            return False
        self._script.popleft()()
        return True

    def listeners(self) -> int:
        return self._listeners

    def acquire_slot(self, limit: int) -> bool:
        free = self._slots > 0
        self._slots -= 1
        return free
