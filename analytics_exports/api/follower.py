"""The read-back loop of an API process: follows Dagster's event log for as long as the API runs.

It waits for Dagster to announce an event, and looks every few seconds anyway. Several replicas may follow at once.
"""

import logging
import threading
import time

from analytics_exports.bootstrap import Application
from analytics_exports.domain.errors import Unavailable
from analytics_exports.ports import Signal

logger = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
STOP_SECONDS = 0.2
"""How long the end of the process may have to wait for this thread."""

RECONNECT_SECONDS = 1.0


class Follower:
    """A thread that keeps the jobs table true to the event log."""

    def __init__(self, application: Application) -> None:
        """Follow with the services of ``application``; nothing runs before ``start``."""
        self._application = application
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="read-back", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the pass in progress and end."""
        self._stop.set()
        self._thread.join(timeout=LOOK_SECONDS * 2)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except Unavailable:
                self._stop.wait(RECONNECT_SECONDS)
            except Exception:  # the loop must outlive whatever one pass meets
                logger.exception("A read-back pass failed")
                self._stop.wait(RECONNECT_SECONDS)

    def _follow(self) -> None:
        with self._application.decided_signal() as signal:
            while not self._stop.is_set():
                self._application.readback.follow()
                self._wait(signal)

    def _wait(self, signal: Signal) -> None:
        deadline = time.monotonic() + LOOK_SECONDS
        while not signal.wait(STOP_SECONDS) and time.monotonic() < deadline and not self._stop.is_set():
            pass
