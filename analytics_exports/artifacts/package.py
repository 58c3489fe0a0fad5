"""Zip files that are written once, from front to back."""

import zipfile
from typing import IO

from typing_extensions import override


class Package(zipfile.ZipFile):
    """A zip that is being written. One that is not closed is of no use: collecting it writes nothing."""

    def __init__(self, file: IO[bytes], method: int, level: int) -> None:
        """Write to ``file``, compressed by this method at this level."""
        super().__init__(file, "w", method, compresslevel=level)

    @override
    def __del__(self) -> None:
        """Leave the file as it is."""

    def add(self, name: str, *, large: bool = False) -> IO[bytes]:
        """Begin a file in the zip; the one before must have ended. One that is not ``large`` ends before 4 GiB."""
        return self.open(name, "w", force_zip64=large)

    def add_text(self, name: str, text: str) -> None:
        """Write a whole file of text."""
        with self.add(name) as file:
            file.write(text.encode())
