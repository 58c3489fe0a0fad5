"""An export as several files in a zip, with a manifest.

Each part is a complete file of its format, with its own header, so each can be used without the others. Text is
compressed in the zip; formats that are compressed already are stored.
"""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from typing import IO, BinaryIO, cast

import polars as pl
from typing_extensions import Buffer

from analytics_exports.artifacts.compression import NonClosingWriter, ZipWriter
from analytics_exports.artifacts.formats import FileFormat
from analytics_exports.artifacts.layout import Layout
from analytics_exports.artifacts.options import Split
from analytics_exports.artifacts.warning_collector import WarningCollector
from analytics_exports.domain.errors import TooLarge
from analytics_exports.domain.formats import Part

MANIFEST = "manifest.json"

_MAX_PARTS = 10_000
_SMALL = 2**31
_TEXT_ENDINGS = frozenset({"csv", "ndjson"})
_LEVEL = 1


class PartsWriter:
    """Writes rows into one part after another."""

    def __init__(
        self, file: BinaryIO, chosen: FileFormat, split: Split, layout: Layout, warnings: WarningCollector
    ) -> None:
        """Begin a zip and its first part."""
        self.parts: list[Part] = []
        self._chosen, self._split, self._layout, self._warnings = chosen, split, layout, warnings
        method = zipfile.ZIP_DEFLATED if chosen.ending in _TEXT_ENDINGS else zipfile.ZIP_STORED
        self._package = ZipWriter(file, method, _LEVEL)
        self._begin()

    def encode(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows themselves: which part they belong to depends on what was written before."""
        return rows

    def write(self, encoded: pl.DataFrame) -> None:
        """Write a batch, into as many parts as needed."""
        rows = encoded
        while rows.height:
            room = rows.height if self._split.rows is None else self._split.rows - self._rows
            if not room or (self._split.bytes is not None and self._file.size >= self._split.bytes):
                self._end()
                self._begin()
                continue
            self._writer.write(self._writer.encode(rows.head(room)))
            self._rows += min(room, rows.height)
            rows = rows.slice(room)

    def finish(self) -> None:
        """End the last part. The manifest is still missing."""
        self._end()

    def add_manifest(self, manifest: Mapping[str, object]) -> None:
        """Write the manifest and end the zip."""
        self._package.add_text(MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1))
        self._package.close()

    def _begin(self) -> None:
        if len(self.parts) == _MAX_PARTS:
            raise TooLarge("The export has more than 10,000 parts; make them larger.")
        self._name = f"part-{len(self.parts) + 1:05d}.{self._chosen.ending}"
        known_small = self._split.bytes is not None and self._split.bytes < _SMALL
        self._entry = self._package.add(self._name, large=not known_small)
        self._file = _HashingPart(self._entry)
        self._rows = 0
        self._writer = self._chosen.open(cast("BinaryIO", self._file), self._layout, self._warnings)

    def _end(self) -> None:
        self._writer.finish()
        self._entry.close()
        self.parts.append(Part(self._name, self._rows, self._file.size, self._file.sha256))


def count_rows(file: BinaryIO, chosen: FileFormat) -> int:
    """The number of rows of all parts of a finished zip."""
    with zipfile.ZipFile(file) as package:
        return sum(_count(package, name, chosen) for name in package.namelist() if name != MANIFEST)


def _count(package: zipfile.ZipFile, name: str, chosen: FileFormat) -> int:
    with package.open(name) as part:
        return chosen.count(cast("BinaryIO", part))


def read_rows(file: BinaryIO, chosen: FileFormat) -> pl.DataFrame:
    """The rows of all parts of a finished zip."""
    with zipfile.ZipFile(file) as package:
        names = [name for name in package.namelist() if name != MANIFEST]
        found = [chosen.read(io.BytesIO(package.read(name))) for name in names]
    return pl.concat(found, how="vertical_relaxed")


class _HashingPart(NonClosingWriter):
    """A part of the zip, hashed while it is written."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self._hash = hashlib.sha256()

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()

    def write(self, data: Buffer, /) -> int:
        self._hash.update(data)
        return super().write(data)
