"""A background thread of the API that runs the event log projection.

It applies new events when it is notified that Dagster logged one, and does a whole pass every few seconds. Several
replicas may run it at once.
"""

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from analytics_exports.domain.errors import Unavailable
from analytics_exports.ports import Signal
from analytics_exports.services.event_log_projection import EventLogProjection

logger = logging.getLogger(__name__)

POLL_SECONDS = 2.0
"""Time between two whole passes, which end expired leases as well."""

STOP_SECONDS = 1.0
"""How long stopping the process may have to wait for this thread, in seconds."""

RECONNECT_SECONDS = 1.0


class ProjectionThread:
    """Runs the projection for as long as the API runs."""

    def __init__(self, projection: EventLogProjection, listen: Callable[[], AbstractContextManager[Signal]]) -> None:
        """Run ``projection`` when notified inside ``listen``; nothing runs before ``start``."""
        self._projection = projection
        self._listen = listen
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="event-log-projection", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Make the thread stop after the pass in progress, without waiting for it."""
        self._stop.set()

    def join(self) -> None:
        """Wait for the thread to stop."""
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
        with self._listen() as signal:
            while not self._stop.is_set():
                self._projection.catch_up()
                ends = time.monotonic() + POLL_SECONDS
                while not self._stop.is_set() and (left := ends - time.monotonic()) > 0:
                    if signal.wait(min(left, STOP_SECONDS)):
                        self._projection.apply_new()
