"""Finished files in a folder of this machine: the adapter ``LocalArtifactStore``.

    <root>/.exports-root                                     says that this folder is the store's
    <root>/exports/<user_id>/<job_id>.<ending>               a published file
    <root>/exports/<user_id>/.<job_id>.<attempt>.part        one that is being written

Folders are 0700 and files 0600. Nothing below the root is reached through a link. The marker is made by ``prepare``,
once, when the service is set up: a volume that is not mounted is a folder without it, and nothing is written there.
How a file is written belongs to ``staging``.
"""

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from analytics_exports.artifacts.files import Limits, free_bytes, translated
from analytics_exports.artifacts.keys import FOLDER, Key, whose
from analytics_exports.artifacts.staging import LocalStaging, version_of
from analytics_exports.domain.errors import StorageFull, StorageUnavailable
from analytics_exports.ports import StoredFile

MARKER = ".exports-root"

_ABSENT = frozenset({errno.ELOOP, errno.ENOENT, errno.ENOTDIR})
_FILE_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class LocalArtifactStore:
    """Implements the port ``ArtifactStore`` in one folder. Safe to share between threads: it holds nothing open."""

    def __init__(self, root: str | os.PathLike[str], *, max_bytes: int, reserve_bytes: int) -> None:
        """Name the folder; nothing is opened yet.

        Args:
            max_bytes: Size that one file may have.
            reserve_bytes: Free disk space that is left alone.
        """
        self._root = Path(root).absolute()
        self._limits = Limits(max_bytes, reserve_bytes)

    def prepare(self) -> None:
        """Make the folder and mark it as the store's. For the set-up of the service only, never for a worker.

        Raises:
            StorageUnavailable: the folder cannot be made or written.
        """
        with translated():
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with _folder(self._root) as root:
                _make_folder(FOLDER, root)
                os.close(os.open(MARKER, os.O_CREAT | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=root))
                os.fsync(root)

    @contextmanager
    def stage(self, key: str, attempt: int) -> Iterator[LocalStaging]:
        """Begin a file. See the port for this method and the next three."""
        parsed = Key.parse(key)
        self.check()
        with ExitStack() as held:
            exports = held.enter_context(self._exports())
            with translated():
                _make_folder(parsed.folder, exports)
                folder = held.enter_context(_folder(parsed.folder, exports))
                staging = LocalStaging(folder, parsed.partial(attempt), parsed.name, self._limits)
            held.callback(staging.close)
            yield staging

    def open(self, key: str) -> StoredFile | None:
        """A published file: a regular one, not reached through any link below the root."""
        parsed = Key.parse(key)
        with self._exports() as exports, translated():
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
        """A folder gives no addresses."""

    def remove(self, key: str) -> None:
        """Remove a published file."""
        parsed = Key.parse(key)
        with (
            self._exports() as exports,
            translated(),
            suppress(FileNotFoundError),
            _folder(parsed.folder, exports) as folder,
        ):
            os.unlink(parsed.name, dir_fd=folder)
            os.fsync(folder)

    def check(self, expected_bytes: int = 0) -> None:
        """Look at the folder and at the space for a file of ``expected_bytes``."""
        with self._exports() as exports, translated():
            if os.fstatvfs(exports).f_flag & os.ST_RDONLY or not os.access(".", os.W_OK | os.X_OK, dir_fd=exports):
                raise StorageUnavailable
            if free_bytes(exports) < self._limits.reserve_bytes + expected_bytes:
                raise StorageFull

    def sweep(self, live: Callable[[UUID, int | None], bool]) -> int:
        """Remove files that no export needs any more; returns how many.

        Args:
            live: Whether an attempt of an export may still be writing; with ``None`` for the attempt, whether the
                export may have a published file.

        Raises:
            StorageUnavailable: the folder cannot be read.
        """
        removed = 0
        with self._exports() as exports, translated():
            for user in os.listdir(exports):  # noqa: PTH208 - by descriptor
                with suppress(NotADirectoryError), _folder(user, exports) as folder:
                    removed += _sweep(folder, live)
        return removed

    @contextmanager
    def _exports(self) -> Iterator[int]:
        """The folder of all users. Raises StorageUnavailable unless the root is there and marked."""
        with ExitStack() as stack:
            with translated():
                root = stack.enter_context(_folder(self._root))
                if not stat.S_ISREG(os.stat(MARKER, dir_fd=root, follow_symlinks=False).st_mode):
                    raise StorageUnavailable
                exports = stack.enter_context(_folder(FOLDER, root))
            yield exports


@contextmanager
def _folder(path: str | Path, parent: int | None = None) -> Iterator[int]:
    """A folder, opened; not through a link when it is below ``parent``."""
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
        found = whose(name)
        if found is not None and not live(*found):
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
                removed += 1
    return removed
