"""How often an address may show a token that is not valid."""

import threading
import time
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 60.0
MOST_ADDRESSES = 10_000
"""Addresses remembered; the ones that failed longest ago are forgotten first."""


class Attempts:
    """Counts tokens that were not valid, by address, over the last minute."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Allow ``most`` a minute from one address."""
        self._most = most
        self._clock = clock
        self._failures: dict[str, deque[float]] = {}
        self._lock = threading.Lock()

    def failed(self, address: str) -> bool:
        """Note a failure; whether it was one that the address may have."""
        now = self._clock()
        with self._lock:
            recent = self._failures.pop(address, None) or deque()
            self._failures[address] = recent
            if len(self._failures) > MOST_ADDRESSES:
                del self._failures[next(iter(self._failures))]
            while recent and recent[0] <= now - WINDOW_SECONDS:
                recent.popleft()
            allowed = len(recent) < self._most
            if allowed:
                recent.append(now)
            return allowed
