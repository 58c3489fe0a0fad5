"""Which version of the warehouse file is read, and whether it is unchanged.

Replacing the file by a rename is safe: a reader keeps the old file. Overwriting it in place is not: DuckDB would mix
two versions silently. Nothing here opens the file: closing any descriptor of it would release DuckDB's lock (POSIX).
"""

import os
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from analytics_exports.domain.errors import WarehouseUnavailable

_OPEN_FILES = Path("/proc/self/fd")


@dataclass(frozen=True, slots=True)
class Identity:
    """One version of a file: device and inode, size in bytes, and modification time in nanoseconds."""

    device: int
    inode: int
    size: int
    modified_ns: int

    @property
    def modified(self) -> datetime:
        """When the file was last modified."""
        return datetime.fromtimestamp(self.modified_ns / 1e9, UTC)


def file_identity(path: Path) -> Identity:
    """The current version of the file at ``path``. Raises WarehouseUnavailable when there is none."""
    try:
        return _identity(path.stat())
    except OSError:
        raise WarehouseUnavailable from None


def overwritten(path: Path, opened: Identity) -> bool:
    """Whether the file that was ``opened``, and is still open in this process, has been modified since.

    On Linux a file without a name is found among the process's open files.
    """
    candidates = [path, *(_OPEN_FILES.iterdir() if _OPEN_FILES.is_dir() else ())]
    for candidate in candidates:
        with suppress(OSError):
            now = _identity(candidate.stat())
            if (now.device, now.inode) == (opened.device, opened.inode):
                return now != opened
    return False


def _identity(status: os.stat_result) -> Identity:
    return Identity(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
