"""Writing one file in a folder: under a temporary name, made durable, read back, published by a rename.

The content comes from ``writing``; which claim may publish is decided by ``services``.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime
from typing import BinaryIO

from analytics_exports.artifacts.hashing_writer import FileLimits, LocalFileWriter, domain_errors
from analytics_exports.artifacts.keys import Key
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.dataset import Column
from analytics_exports.domain.errors import InternalFailure, StorageUnavailable
from analytics_exports.domain.formats import Format
from analytics_exports.ports import Rows

_LARGE = 16 * 2**20
"""Bytes from which reading a file back takes long enough for a thread."""


def version_of(status: os.stat_result) -> str:
    """Identifies a file version: a rename changes neither inode nor modification time."""
    return f"{status.st_ino:x}-{status.st_mtime_ns:x}"


class LocalStaging:
    """Implements the port ``Staging`` in an open folder."""

    def __init__(self, folder: int, partial: str, key: Key, limits: FileLimits) -> None:
        """Create the file ``partial``, replacing a leftover of an earlier process.

        Args:
            folder: Descriptor of the folder; the caller closes it.
            key: What to publish the file under.

        Raises:
            OSError: the file cannot be created.
        """
        self._folder, self._partial, self._key = folder, partial, key
        with suppress(FileNotFoundError):
            os.unlink(partial, dir_fd=folder)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._descriptor = os.open(partial, flags, 0o600, dir_fd=folder)
        self._limits = limits
        self._published = False

    def write(
        self,
        rows: Rows,
        format: Format,
        options: Mapping[str, object],
        progress: Callable[[int, int], None],
        *,
        columns: Sequence[Column] | None = None,
        facts: Mapping[str, str] | None = None,
        data_as_of: datetime | None = None,
    ) -> Artifact:
        """Write, sync and read back. The port documents the arguments."""
        from analytics_exports.artifacts import formats, writing  # noqa: PLC0415 - Polars is loaded only where rows are

        chosen = formats.file_format(format, options)
        file = LocalFileWriter(self._descriptor, self._limits)
        written = writing.write_file(
            rows, file, chosen, progress, columns=columns, facts=facts or {}, data_as_of=data_as_of
        )
        with domain_errors():
            with self._syncing(file.size), self._reopened() as finished:
                found = writing.count_file(finished, chosen)
            status = os.fstat(self._descriptor)
        if found != written.row_count or status.st_size != file.size:
            raise InternalFailure
        return replace(written, output_path=self._key.path, version=version_of(status))

    def publish(self) -> None:
        """Rename the file, provided that the temporary name still refers to the file that was written."""
        with domain_errors():
            found = os.stat(self._partial, dir_fd=self._folder, follow_symlinks=False)
            if not os.path.samestat(found, os.fstat(self._descriptor)):
                raise StorageUnavailable
            os.rename(self._partial, self._key.name, src_dir_fd=self._folder, dst_dir_fd=self._folder)
            self._published = True
            os.fsync(self._folder)

    @contextmanager
    def _syncing(self, size: int) -> Iterator[None]:
        """Make the file durable; a large one while the block is executed."""
        if size < _LARGE:
            os.fsync(self._descriptor)
            yield
            return
        with ThreadPoolExecutor(1, "fsync") as thread:
            synced = thread.submit(os.fsync, self._descriptor)
            yield
            synced.result()

    def _reopened(self) -> BinaryIO:
        """The file opened for reading by its name."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.fdopen(os.open(self._partial, flags, dir_fd=self._folder), "rb")

    def close(self) -> None:
        """Close the file, and remove it unless it was published. ``sweep`` removes what cannot be removed now."""
        with suppress(OSError):  # published data has been synced already
            os.close(self._descriptor)
        if not self._published:
            with suppress(OSError):
                os.unlink(self._partial, dir_fd=self._folder)
