"""The file object through which every byte of an export is written, and the meaning of operating system errors.

It counts, hashes and limits what is written. Libraries that write formats wrap, replace or swallow exceptions; the file
object keeps its own error, so that the cause is not lost.
"""

import errno
import hashlib
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from typing_extensions import Buffer

from analytics_exports.domain.errors import ExportError, StorageFull, StorageUnavailable, TooLarge

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_UNUSABLE = frozenset(
    {errno.EACCES, errno.EIO, errno.ELOOP, errno.ENOENT, errno.ENOTDIR, errno.EPERM, errno.EROFS, errno.ESTALE}
)
_CHECK_EVERY_BYTES = 64 * 2**20


def to_domain_error(error: OSError) -> ExportError | None:
    """The domain error for an operating system error; ``None`` for one that is not about storage."""
    if error.errno in _FULL:
        return StorageFull()
    if error.errno == errno.EFBIG:
        return TooLarge()
    return StorageUnavailable() if error.errno in _UNUSABLE else None


@contextmanager
def domain_errors() -> Iterator[None]:
    """Raise the domain error for a storage error inside the block."""
    try:
        yield
    except OSError as error:
        reason = to_domain_error(error)
        if reason is None:
            raise
        raise reason from None


def free_bytes(descriptor: int) -> int:
    """Free space of the file system of an open file or folder."""
    system = os.fstatvfs(descriptor)
    return system.f_bavail * system.f_frsize


@dataclass(frozen=True, slots=True)
class FileLimits:
    """Maximum size of one file, and disk space to be kept free, in bytes."""

    max_bytes: int
    reserve_bytes: int


class HashingWriter(io.RawIOBase, ABC):
    """A sequentially written file. Subclasses define where the bytes go.

    After a failed write, or after ``stop``, further data is discarded: libraries still write when they are garbage
    collected, and by then the descriptor may belong to another file.

    Attributes:
        size: Bytes written so far.
        write_error: Why a write failed; ``None`` if none did.
    """

    def __init__(self, limits: FileLimits) -> None:
        """Write within ``limits``."""
        super().__init__()
        self.size = 0
        self.write_error: ExportError | None = None
        self._limits = limits
        self._next_check = _CHECK_EVERY_BYTES
        self._stopped = False
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Checksum of all bytes written so far, in hex."""
        return self._hash.hexdigest()

    def writable(self) -> bool:
        """True; the file can be neither read nor sought."""
        return True

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def tell(self) -> int:
        """The number of bytes written."""
        return self.size

    def write(self, data: Buffer, /) -> int:
        """Write all of ``data``.

        Raises:
            TooLarge, StorageFull, StorageUnavailable: also kept in ``write_error``.
        """
        view = memoryview(data).cast("B")
        if not self._stopped:
            self._write(view)
        if self.write_error is not None and not self._stopped:
            self.stop()
            raise self.write_error
        return len(view)

    def stop(self) -> None:
        """Discard all further data."""
        self._stopped = True

    @abstractmethod
    def _put(self, view: memoryview) -> int:
        """Store the beginning of ``view``; returns how many bytes. Raises OSError or StorageUnavailable."""

    def _full(self) -> bool:
        """Whether too little space is free."""
        return False

    def _write(self, view: memoryview) -> None:
        try:
            self.write_error = self._limit(self.size + len(view))
            if self.write_error is not None:
                return
            self._hash.update(view)
            while view:
                written = self._put(view)
                view, self.size = view[written:], self.size + written
        except OSError as error:
            self.write_error = to_domain_error(error) or StorageUnavailable()
        except StorageUnavailable as reason:
            self.write_error = reason

    def _limit(self, size: int) -> ExportError | None:
        """Why the file must not grow to ``size``. Free space is checked from time to time."""
        if size > self._limits.max_bytes:
            return TooLarge()
        if size >= self._next_check:
            self._next_check = size + _CHECK_EVERY_BYTES
            if self._full():
                return StorageFull()
        return None


class LocalFileWriter(HashingWriter):
    """A file on this machine, over a descriptor that its owner closes."""

    def __init__(self, descriptor: int, limits: FileLimits) -> None:
        """Write to ``descriptor`` within ``limits``."""
        super().__init__(limits)
        self._descriptor = descriptor

    def _put(self, view: memoryview) -> int:
        return os.write(self._descriptor, view)

    def _full(self) -> bool:
        return free_bytes(self._descriptor) < self._limits.reserve_bytes
