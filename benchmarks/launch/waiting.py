"""Waiting for exports for as long as there is progress, however busy the machine is."""

import time
from collections.abc import Callable

STALLED_SECONDS = 180.0


def wait_until_zero(count: Callable[[], int], interval: float = 0.05) -> None:
    """Wait until ``count`` returns 0. Raises TimeoutError when it has not become smaller for three minutes."""
    smallest, since = count(), time.monotonic()
    while left := count():
        if left < smallest:
            smallest, since = left, time.monotonic()
        elif time.monotonic() - since > STALLED_SECONDS:
            raise TimeoutError(f"{left} exports make no progress.")
        time.sleep(interval)
