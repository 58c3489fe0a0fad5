"""Zip files that are written sequentially."""

import zipfile
from typing import IO

from typing_extensions import override


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
