"""Compressed streams of text files, written and read back, and zip files that are written sequentially.

gzip uses its fastest level: a third of the default level's time for a tenth more bytes. zstd is faster and smaller.
"""

import gzip
import io
import zipfile
from typing import IO, BinaryIO, Literal, Protocol, cast

import pyarrow as pa
from typing_extensions import Buffer, override

Compression = Literal["none", "gzip", "zstd"]

_GZIP_LEVEL = 1


class SupportsWrite(Protocol):
    """A destination for bytes."""

    def write(self, data: Buffer, /) -> object:
        """Write all of ``data``."""


def compressing(file: BinaryIO, compression: Compression) -> BinaryIO:
    """A stream that compresses into ``file``. Closing it flushes; ``file`` stays open."""
    if compression == "gzip":
        return cast("BinaryIO", gzip.GzipFile("", "wb", _GZIP_LEVEL, file, mtime=0))
    kept = cast("BinaryIO", NonClosingWriter(file))
    return cast("BinaryIO", pa.CompressedOutputStream(kept, "zstd")) if compression == "zstd" else kept


def decompressing(file: BinaryIO, compression: Compression) -> BinaryIO:
    """A stream of the decompressed content of ``file``."""
    if compression == "gzip":
        return cast("BinaryIO", gzip.GzipFile(fileobj=file, mode="rb"))
    return cast("BinaryIO", pa.CompressedInputStream(file, "zstd")) if compression == "zstd" else file


class NonClosingWriter(io.RawIOBase):
    """A file for libraries that close the file they are given: closing it does not close the underlying file.

    Attributes:
        size: Bytes written so far through this object.
    """

    def __init__(self, file: SupportsWrite) -> None:
        """Write to ``file``."""
        super().__init__()
        self.size = 0
        self._file = file

    def writable(self) -> bool:
        """Always true."""
        return True

    def flush(self) -> None:
        """Do nothing: there is no buffer."""

    def tell(self) -> int:
        """The position, which is the number of bytes written."""
        return self.size

    def write(self, data: Buffer, /) -> int:
        """Write all of ``data``."""
        self._file.write(data)
        length = memoryview(data).nbytes
        self.size += length
        return length


class CollectedBytes(io.RawIOBase):
    """A file in memory for libraries that write.

    ``io.BytesIO`` would copy what it is given into memory that is new each time, which takes as long as writing CSV.

    Attributes:
        chunks: What was written.
    """

    def __init__(self) -> None:
        """Begin with nothing."""
        super().__init__()
        self.chunks: list[bytes] = []

    def writable(self) -> bool:
        """Always true."""
        return True

    def write(self, data: Buffer, /) -> int:
        """Keep ``data``."""
        self.chunks.append(bytes(data))
        return len(self.chunks[-1])


class ZipWriter(zipfile.ZipFile):
    """A zip that is being written. One that is not closed is invalid: garbage collection writes nothing."""

    def __init__(self, file: IO[bytes], method: int, level: int) -> None:
        """Write to ``file`` with this compression method and level."""
        super().__init__(file, "w", method, compresslevel=level)

    @override
    def __del__(self) -> None:
        """Do not write the central directory."""

    def add(self, name: str, *, large: bool = False) -> IO[bytes]:
        """Begin a file in the zip, after the previous one was closed. Without ``large`` it must stay below 4 GiB."""
        return self.open(name, "w", force_zip64=large)

    def add_text(self, name: str, text: str) -> None:
        """Write a whole text file."""
        with self.add(name) as file:
            file.write(text.encode())
