"""An object as a seekable file object that streams its content, and one that hashes what is read of it."""

import hashlib
import io
from typing import TYPE_CHECKING, BinaryIO, cast

from typing_extensions import Buffer

from analytics_exports.artifacts.objects.bucket import Bucket, domain_errors

if TYPE_CHECKING:
    from obstore import BytesStream, GetResult

CHUNK = 2**20


def open_object(bucket: Bucket, name: str) -> BinaryIO | None:
    """Open an object for reading; ``None`` when it does not exist. The stream that has begun survives its deletion."""
    found = bucket.get(name)
    if found is None:
        return None
    return cast("BinaryIO", io.BufferedReader(_ObjectFile(bucket, name, found), CHUNK))


class HashingReader(io.RawIOBase):
    """A file that is hashed while it is read, wherever reading goes on where the hash ends. Seekable."""

    def __init__(self, file: BinaryIO) -> None:
        """Read ``file`` from its beginning; its owner closes it."""
        super().__init__()
        self._file = file
        self._hash, self._hashed = hashlib.sha256(), 0

    def readable(self) -> bool:
        """Always true."""
        return True

    def seekable(self) -> bool:
        """Always true."""
        return True

    def tell(self) -> int:
        """The position in bytes."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Change the position."""
        return self._file.seek(offset, whence)

    def readinto(self, target: Buffer, /) -> int:
        """Read, and hash what has not been hashed yet."""
        position, view = self._file.tell(), memoryview(target).cast("B")
        count = len(data) if (data := self._file.read(len(view))) else 0
        view[:count] = data
        if position == self._hashed:
            self._hash.update(data)
            self._hashed += count
        return count

    def digest(self) -> tuple[int, str]:
        """Size and SHA-256 of the whole file. What has not been read in order is read now."""
        self.seek(self._hashed)
        while self.read(CHUNK):
            pass
        return self._hashed, self._hash.hexdigest()


class _ObjectFile(io.RawIOBase):
    """Uses one request for sequential reading, and another after a seek."""

    def __init__(self, bucket: Bucket, name: str, found: "GetResult") -> None:
        super().__init__()
        self._bucket, self._name = bucket, name
        self._size = found.meta["size"]
        self._position = self._streamed = 0
        self._stream: BytesStream | None = found.stream(CHUNK)
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._size}[whence]
        if start + offset < 0:
            raise ValueError("A position is not negative.")
        self._position = start + offset
        return self._position

    def readinto(self, target: Buffer, /) -> int:
        """Read what has arrived. Raises OSError when the object no longer exists."""
        view = memoryview(target).cast("B")
        if self._position >= self._size or not view:
            return 0
        if self._streamed != self._position:
            self._begin()
        if not self._rest:
            self._rest = memoryview(self._next())
        count = min(len(view), len(self._rest))
        view[:count], self._rest = self._rest[:count], self._rest[count:]
        self._position += count
        self._streamed = self._position
        return count

    def close(self) -> None:
        self._stream, self._rest = None, memoryview(b"")
        super().close()

    def _begin(self) -> None:
        found = self._bucket.get(self._name, self._position)
        if found is None:
            raise FileNotFoundError
        self._stream, self._rest = found.stream(CHUNK), memoryview(b"")
        self._streamed = self._position

    def _next(self) -> bytes:
        if self._stream is None:
            return b""
        with domain_errors():
            return next(iter(self._stream), b"")
