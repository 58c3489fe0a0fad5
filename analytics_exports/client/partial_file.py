"""The file of an unfinished download, in the folder of the target, so that a broken download can be resumed later.

Its name contains the first digits of the checksum, so that only bytes of the same file are continued. Requesting the
bytes belongs to ``transfer``.
"""

import hashlib
import os
from pathlib import Path

DIGITS = 16


class PartialFile:
    """The bytes received so far. Closing keeps them, unless they were published or dropped."""

    def __init__(self, target: Path, sha256: str, size: int) -> None:
        """Resume an earlier download of the same file, if there is one.

        Args:
            target: Path of the complete file.
            sha256: Checksum of the complete file, in hex.
            size: Size of the complete file, in bytes.
        """
        self._target = target
        self._promised = size, sha256
        self._path = target.with_name(f".{target.name}.{sha256[:DIGITS]}.part")
        self._file = self._path.open("a+b")
        self._file.seek(0)
        self._digest = hashlib.file_digest(self._file, hashlib.sha256)
        self.size = self._file.tell()
        if self.size > size:
            self.restart()

    def write(self, chunk: bytes) -> None:
        """Append bytes."""
        self._file.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)

    def restart(self) -> None:
        """Discard all bytes."""
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.size = 0

    def publish(self) -> bool:
        """Move the file to its target in one step, replacing an existing file; ``False`` if its checksum is wrong."""
        if (self.size, self._digest.hexdigest()) != self._promised:
            return False
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._path.replace(self._target)
        return True

    def drop(self) -> None:
        """Delete the file."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Keep the bytes for a later download."""
        self._file.close()
