"""A background thread of the API that receives changes of exports and wakes the requests that wait for them.

It uses one connection, however many requests wait. After a lost connection is restored, all of them check the state of
their export, because notifications may have been missed.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager

from analytics_exports.domain.errors import Unavailable
from analytics_exports.ports import Notifications
from analytics_exports.services.change_hub import ChangeHub

logger = logging.getLogger(__name__)

LISTEN_SECONDS = 1.0
"""How long stopping the process may have to wait for this thread, in seconds."""

RECONNECT_SECONDS = 0.5


class NotificationListener:
    """Receives notifications for as long as the API runs."""

    def __init__(self, hub: ChangeHub, listen: Callable[[], AbstractContextManager[Notifications]]) -> None:
        """Notify ``hub`` of what is received inside ``listen``; nothing runs before ``start``."""
        self._hub = hub
        self._open = listen
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notification-listener", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Make the thread stop, without waiting for it."""
        self._stop.set()

    def join(self) -> None:
        """Wait for the thread to stop."""
        self._thread.join(timeout=LISTEN_SECONDS + RECONNECT_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
            except Unavailable:
                self._stop.wait(RECONNECT_SECONDS)
            except Exception:  # the thread must survive any error
                logger.exception("Receiving notifications failed")
                self._stop.wait(RECONNECT_SECONDS)

    def _listen(self) -> None:
        with self._open() as changes:
            self._hub.notify_all()
            while not self._stop.is_set():
                self._hub.notify(changes.receive(LISTEN_SECONDS))
