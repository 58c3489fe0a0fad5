"""Announcements in memory: what happens while somebody waits is a script that the test writes."""

from collections import deque
from collections.abc import Callable


class FakeSignal:
    """Implements ``ports.Signal``. Each wait takes the next step of ``script``; after the last nothing is announced."""

    def __init__(self, *script: Callable[[], object], listeners: int = 2, seats: int = 1) -> None:
        self.waits: list[float] = []
        self._script = deque(script)
        self._listeners = listeners
        self._seats = seats

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        if not self._script:
            return False
        self._script.popleft()()
        return True

    def listeners(self) -> int:
        return self._listeners

    def sit(self, seats: int) -> bool:
        free = self._seats > 0
        self._seats -= 1
        return free
