"""The artifact store in a folder of this machine.

    <root>/.exports-root                                     marks the folder as the store
    <root>/exports/<user_id>/<job_id>.<ending>               a published file
    <root>/exports/<user_id>/.<job_id>.<attempt>.part        a file that is being written

Folders have mode 0700 and files 0600. Symbolic links below the root are not followed. The marker is created by
``prepare``, once, when the service is set up: a volume that is not mounted is a folder without it, and nothing is
written there. Writing a file belongs to ``staging``.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from analytics_exports.artifacts.hashing_writer import FileLimits, domain_errors, free_bytes
from analytics_exports.artifacts.keys import FOLDER, Key, parse_stored_name
from analytics_exports.artifacts.staging import LocalStaging, version_of
from analytics_exports.domain.errors import StorageFull, StorageUnavailable
from analytics_exports.ports import StoredFile

MARKER = ".exports-root"

_ABSENT = frozenset({errno.ELOOP, errno.ENOENT, errno.ENOTDIR})
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LocalArtifactStore:
    """Implements the port ``ArtifactStore`` in a folder. Thread-safe: it keeps nothing open."""

    def __init__(self, root: str | os.PathLike[str], *, max_bytes: int, reserve_bytes: int) -> None:
        """Use the folder ``root``; nothing is opened yet.

        Args:
            max_bytes: Maximum size of one file.
            reserve_bytes: Disk space that is kept free.
        """
        self._root = Path(root).absolute()
        self._limits = FileLimits(max_bytes, reserve_bytes)

    def prepare(self) -> None:
        """Create the folder and its marker: only when the service is set up, never in a worker.

        Raises:
            StorageUnavailable: the folder cannot be created or written.
        """
        with domain_errors():
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _folder(self._root) as root:
                _make_folder(FOLDER, root)
                os.close(os.open(MARKER, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=root))
                os.fsync(root)

    @contextmanager
    def stage(self, key: str, attempt: int) -> Iterator[LocalStaging]:
        """Begin a file. The port documents this and the following methods."""
        parsed = Key.parse(key)
        self.check()
        with ExitStack() as held:
            exports = held.enter_context(self._exports())
            with domain_errors():
                _make_folder(parsed.folder, exports)
                folder = held.enter_context(_folder(parsed.folder, exports))
                staging = LocalStaging(folder, parsed.partial(attempt), parsed, self._limits)
            held.callback(staging.close)
            yield staging

    def open(self, key: str) -> StoredFile | None:
        """Open a published file: a regular file, not reached through any link below the root."""
        parsed = Key.parse(key)
        with self._exports() as exports, domain_errors():
            try:
                with _folder(parsed.folder, exports) as folder:
                    descriptor = os.open(parsed.name, _FILE_FLAGS, dir_fd=folder)
            except OSError as error:
                if error.errno in _ABSENT:
                    return None
                raise
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            os.close(descriptor)
            return None
        return StoredFile(os.fdopen(descriptor, "rb"), version_of(found))

    def link(self, key: str, lifetime: timedelta) -> None:
        """Return ``None``: a folder has no URLs."""

    def remove(self, key: str) -> None:
        """Remove a published file."""
        parsed = Key.parse(key)
        with (
            self._exports() as exports,
            domain_errors(),
            suppress(FileNotFoundError),
            _folder(parsed.folder, exports) as folder,
        ):
            os.unlink(parsed.name, dir_fd=folder)
            os.fsync(folder)

    def check(self, expected_bytes: int = 0) -> None:
        """Check the folder, and the free space for a file of ``expected_bytes``."""
        with self._exports() as exports, domain_errors():
            if os.fstatvfs(exports).f_flag & os.ST_RDONLY or not os.access(".", os.W_OK | os.X_OK, dir_fd=exports):
                raise StorageUnavailable
            if free_bytes(exports) < self._limits.reserve_bytes + expected_bytes:
                raise StorageFull

    def sweep(self, live: Callable[[UUID, int | None], bool]) -> int:
        """Remove files that no export needs any more. Returns how many.

        Args:
            live: Whether an attempt of an export may still be writing; with ``None`` for the attempt, whether the
                export may have a published file.

        Raises:
            StorageUnavailable: the folder cannot be read.
        """
        removed = 0
        with self._exports() as exports, domain_errors():
            for user in os.listdir(exports):  # noqa: PTH208 - by descriptor
                with suppress(NotADirectoryError), _folder(user, exports) as folder:
                    removed += _sweep(folder, live)
        return removed

    @contextmanager
    def _exports(self) -> Iterator[int]:
        """Descriptor of the folder of all users. Raises StorageUnavailable unless the root exists and is marked."""
        with ExitStack() as stack:
            with domain_errors():
                root = stack.enter_context(_folder(self._root))
                if not stat.S_ISREG(os.stat(MARKER, dir_fd=root, follow_symlinks=False).st_mode):
                    raise StorageUnavailable
                exports = stack.enter_context(_folder(FOLDER, root))
            yield exports


@contextmanager
def _folder(path: str | Path, parent: int | None = None) -> Iterator[int]:
    """Descriptor of a folder; below ``parent`` symbolic links are not followed."""
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
    descriptor = os.open(path, flags if parent is None else flags | os.O_NOFOLLOW, dir_fd=parent)
    try:
        yield descriptor
    finally:
        with suppress(OSError):  # nothing was written through it
            os.close(descriptor)


def _make_folder(name: str, parent: int) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, 0o700, dir_fd=parent)
        os.fsync(parent)


def _sweep(folder: int, live: Callable[[UUID, int | None], bool]) -> int:
    removed = 0
    for name in os.listdir(folder):
        found = parse_stored_name(name)
        if found is not None and not live(*found):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
                removed += 1
    return removed
