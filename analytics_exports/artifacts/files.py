"""The file object through which every byte of an export goes, and what an error of the disk means.

It counts, hashes and limits what is written. Writers of formats are libraries that wrap, rename or swallow exceptions;
the file remembers why it refused, so that the reason survives them.
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
_GONE = frozenset(
    {errno.EACCES, errno.EIO, errno.ELOOP, errno.ENOENT, errno.ENOTDIR, errno.EPERM, errno.EROFS, errno.ESTALE}
)
_LOOK_EVERY_BYTES = 64 * 2**20


def meaning(error: OSError) -> ExportError | None:
    """What an error of the disk or of its folder means here; ``None`` for one that says nothing about storage."""
    if error.errno in _FULL:
        return StorageFull()
    if error.errno == errno.EFBIG:
        return TooLarge()
    return StorageUnavailable() if error.errno in _GONE else None


@contextmanager
def translated() -> Iterator[None]:
    """Raise what an error of the storage means instead of the error."""
    try:
        yield
    except OSError as error:
        reason = meaning(error)
        if reason is None:
            raise
        raise reason from None


def free_bytes(descriptor: int) -> int:
    """Space that is left where an open file or folder is."""
    system = os.fstatvfs(descriptor)
    return system.f_bavail * system.f_frsize


@dataclass(frozen=True, slots=True)
class Limits:
    """How large one file may become, and how much disk space is to stay free, in bytes."""

    max_bytes: int
    reserve_bytes: int


class GrowingFile(io.RawIOBase, ABC):
    """A file that can only grow. Where its bytes go is for subclasses to say.

    Once a write failed, or the file is sealed, what comes is dropped: libraries still write when they are collected,
    and by then a descriptor may be another file's.

    Attributes:
        size: Bytes written so far.
        refusal: Why a write failed; ``None`` while none did.
    """

    def __init__(self, limits: Limits) -> None:
        """Write within ``limits``."""
        super().__init__()
        self.size = 0
        self.refusal: ExportError | None = None
        self._limits = limits
        self._next_look = _LOOK_EVERY_BYTES
        self._sealed = False
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        """Of all bytes written so far, in hex."""
        return self._hash.hexdigest()

    def writable(self) -> bool:
        """Yes; it can neither be read nor sought."""
        return True

    def flush(self) -> None:
        """Nothing is held back."""

    def tell(self) -> int:
        """How many bytes were written."""
        return self.size

    def write(self, data: Buffer, /) -> int:
        """Write all of ``data``.

        Raises:
            TooLarge, StorageFull, StorageUnavailable: see the attribute ``refusal``.
        """
        view = memoryview(data).cast("B")
        if not self._sealed:
            self._write(view)
        if self.refusal is not None and not self._sealed:
            self.seal()
            raise self.refusal
        return len(view)

    def seal(self) -> None:
        """Take nothing more."""
        self._sealed = True

    @abstractmethod
    def _put(self, view: memoryview) -> int:
        """Store the beginning of ``view``; returns how many bytes. Raises OSError or StorageUnavailable."""

    def _full(self) -> bool:
        """Whether too little space is left."""
        return False

    def _write(self, view: memoryview) -> None:
        try:
            self.refusal = self._limit(self.size + len(view))
            if self.refusal is not None:
                return
            self._hash.update(view)
            while view:
                written = self._put(view)
                view, self.size = view[written:], self.size + written
        except OSError as error:
            self.refusal = meaning(error) or StorageUnavailable()
        except StorageUnavailable as reason:
            self.refusal = reason

    def _limit(self, size: int) -> ExportError | None:
        """Why the file must not grow to ``size``. The disk is looked at now and then."""
        if size > self._limits.max_bytes:
            return TooLarge()
        if size >= self._next_look:
            self._next_look = size + _LOOK_EVERY_BYTES
            if self._full():
                return StorageFull()
        return None


class ExportFile(GrowingFile):
    """A file of this machine, over a descriptor that stays its owner's."""

    def __init__(self, descriptor: int, limits: Limits) -> None:
        """Write to ``descriptor`` within ``limits``."""
        super().__init__(limits)
        self._descriptor = descriptor

    def _put(self, view: memoryview) -> int:
        return os.write(self._descriptor, view)

    def _full(self) -> bool:
        return free_bytes(self._descriptor) < self._limits.reserve_bytes
