"""A file that is still coming in: its bytes stand beside where it will be, so that a broken download can go on later.

The name holds the first digits of the checksum, so that only bytes of the same file are ever continued. How the bytes
are asked for belongs to ``transfer``.
"""

import hashlib
import os
from pathlib import Path

DIGITS = 16


class Partial:
    """The bytes of one file received so far. Leaving its context keeps them, unless they were published or dropped."""

    def __init__(self, target: Path, sha256: str, size: int) -> None:
        """Go on with what an earlier download of the same file left.

        Args:
            target: Where the whole file goes.
            sha256: Of the whole file, in hex.
            size: Of the whole file, in bytes.
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
        """Add the next bytes."""
        self._file.write(chunk)
        self._digest.update(chunk)
        self.size += len(chunk)

    def restart(self) -> None:
        """Forget every byte."""
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.size = 0

    def publish(self) -> bool:
        """Put the file in its place in one step, replacing what was there; ``False`` if it is not the promised one."""
        if (self.size, self._digest.hexdigest()) != self._promised:
            return False
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._path.replace(self._target)
        return True

    def drop(self) -> None:
        """Remove the bytes."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def close(self) -> None:
        """Keep the bytes for a later download."""
        self._file.close()
