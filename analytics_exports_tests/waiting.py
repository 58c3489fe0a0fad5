"""Waiting in tests: for a condition with a limit, never for a fixed time.

``EXPORTS_TEST_PATIENCE=3`` makes every limit three times as long, for a machine that is slow or busy.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import AnyStr, TypeVar

import pytest

T = TypeVar("T")

TIME_FACTOR = float(os.environ.get("EXPORTS_TEST_PATIENCE", "1"))

LIMIT_SECONDS = 90 * TIME_FACTOR
"""For anything that a test waits for: generous, because it is reached only when something is wrong."""

TEST_SECONDS = 600 * TIME_FACTOR
"""For a whole test with its fixtures."""

POLL_SECONDS = 0.01


@contextmanager
def killed_at_end(process: subprocess.Popen[AnyStr]) -> Iterator[subprocess.Popen[AnyStr]]:
    """A process that is killed when the block ends, so that a failed assertion is not followed by a wait for it."""
    with process:
        try:
            yield process
        finally:
            process.kill()


def until(look: Callable[[], T | None]) -> T:
    """What ``look`` finds, as soon as it finds something."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while not (found := look()):
        if time.monotonic() > deadline:
            pytest.fail("it did not happen in time")
        time.sleep(POLL_SECONDS)
    return found
