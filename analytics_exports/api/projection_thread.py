"""A background thread of the API that runs the event log projection.

It waits for a notification that Dagster logged an event, and polls every few seconds as well. Several replicas may run
it at once.
"""

import logging
import threading
import time

from analytics_exports.bootstrap import Application
from analytics_exports.domain.errors import Unavailable
from analytics_exports.ports import Signal

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0
STOP_SECONDS = 0.2
"""How long stopping the process may have to wait for this thread, in seconds."""

RECONNECT_SECONDS = 1.0


class ProjectionThread:
    """Runs the projection for as long as the API runs."""

    def __init__(self, application: Application) -> None:
        """Use the services of ``application``; nothing runs before ``start``."""
        self._application = application
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="event-log-projection", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish the pass in progress and stop the thread."""
        self._stop.set()
        self._thread.join(timeout=POLL_SECONDS * 2)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._follow()
            except Unavailable:
                self._stop.wait(RECONNECT_SECONDS)
            except Exception:  # the thread must survive any error
                logger.exception("The event log projection failed")
                self._stop.wait(RECONNECT_SECONDS)

    def _follow(self) -> None:
        with self._application.event_log_signal() as signal:
            while not self._stop.is_set():
                self._application.event_log_projection.catch_up()
                self._wait(signal)

    def _wait(self, signal: Signal) -> None:
        deadline = time.monotonic() + POLL_SECONDS
        while not signal.wait(STOP_SECONDS) and time.monotonic() < deadline and not self._stop.is_set():
            pass
