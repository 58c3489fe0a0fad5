"""The ear of an API process: hears which exports change, and tells those who wait for them.

One connection and one thread, however many wait. While the connection is lost nobody is told; once it is back everybody
looks for themselves.
"""

import logging
import threading

from analytics_exports.bootstrap import Application
from analytics_exports.domain.errors import Unavailable

logger = logging.getLogger(__name__)

LISTEN_SECONDS = 0.2
"""How long the end of the process may have to wait for this thread."""

RECONNECT_SECONDS = 0.5


class Announcer:
    """A thread that listens for as long as the API runs."""

    def __init__(self, application: Application) -> None:
        """Listen with the database of ``application``; nothing runs before ``start``."""
        self._application = application
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="announcer", daemon=True)

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def stop(self) -> None:
        """Stop listening."""
        self._stop.set()
        self._thread.join(timeout=2 * RECONNECT_SECONDS)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._listen()
            except Unavailable:
                self._stop.wait(RECONNECT_SECONDS)
            except Exception:  # the thread must outlive whatever it meets
                logger.exception("Listening for changes failed")
                self._stop.wait(RECONNECT_SECONDS)

    def _listen(self) -> None:
        waiting = self._application.waiting
        with self._application.changes() as changes:
            waiting.tell_all()
            while not self._stop.is_set():
                waiting.tell(changes.heard(LISTEN_SECONDS))
