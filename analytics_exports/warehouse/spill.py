"""Folders for data that does not fit into DuckDB's memory: one for each connection, removed with its process.

DuckDB removes its files when a connection closes, but not when the process is killed. So each folder has a locked file
beside it; a folder whose lock nobody holds belongs to a dead process and is removed by the next connection.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from analytics_exports.domain.errors import StorageUnavailable

_LOCK = ".lock"


@contextmanager
def spill_folder(root: Path) -> Iterator[Path]:
    """A private folder below ``root`` for the duration of the context. DuckDB creates it when needed.

    Raises:
        StorageUnavailable: ``root`` cannot be written to.
    """
    folder = root / uuid4().hex
    lock = folder.with_suffix(_LOCK)
    with ExitStack() as held:
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            remove_leftovers(root)
            held.enter_context(_locked(lock, os.O_CREAT | os.O_EXCL))
        except OSError:
            raise StorageUnavailable from None
        held.callback(_remove, folder, lock)
        yield folder


def remove_leftovers(root: Path) -> None:
    """Remove the folders that killed processes left below ``root``."""
    for lock in root.glob(f"*{_LOCK}"):
        with suppress(OSError), _locked(lock, wait=False):
            _remove(lock.with_suffix(""), lock)


def _remove(folder: Path, lock: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    lock.unlink(missing_ok=True)


@contextmanager
def _locked(lock: Path, flags: int = 0, *, wait: bool = True) -> Iterator[None]:
    """Hold ``lock``. Without waiting: raises BlockingIOError when it is held."""
    descriptor = os.open(lock, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    finally:
        os.close(descriptor)
