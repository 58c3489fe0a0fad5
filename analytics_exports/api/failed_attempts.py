"""Rate limit for invalid tokens, by client address."""

import threading
import time
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 60.0
MAX_ADDRESSES = 10_000
"""Addresses remembered; the least recently failed ones are forgotten first."""


class FailedAttempts:
    """Counts invalid tokens by address, over the last minute."""

    def __init__(self, limit: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow ``limit`` per minute and address."""
        self._limit = limit
        self._clock = clock
        self._failures: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def record(self, address: str) -> bool:
        """Record an invalid token. Returns whether the address is still within its limit."""
        now = self._clock()
        with self._lock:
            recent = self._failures.pop(address, None) or deque()
            self._failures[address] = recent
            if len(self._failures) > MAX_ADDRESSES:
                del self._failures[next(iter(self._failures))]
            while recent and recent[0] <= now - WINDOW_SECONDS:
                recent.popleft()
            allowed = len(recent) < self._limit
            if allowed:
                recent.append(now)
            return allowed
