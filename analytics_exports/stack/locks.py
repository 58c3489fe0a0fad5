"""One process per folder. The kernel releases the lock when the process ends, however it ends."""

import fcntl
import os
from pathlib import Path

from analytics_exports.stack.errors import AlreadyRunning


class FolderLock:
    """An exclusive lock on a folder, held by one object of one process at a time."""

    def __init__(self, folder: Path) -> None:
        """Lock ``folder``, which must exist by the time of ``acquire``; nothing is locked yet."""
        self._folder = folder
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Acquire the lock.

        Raises:
            AlreadyRunning: Another process or object holds it.
        """
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise AlreadyRunning(self._folder) from None
        self._descriptor = descriptor

    def release(self) -> None:
        """Release the lock; does nothing when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
