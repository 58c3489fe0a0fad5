"""The kinds of warehouses that DuckDB reads: a DuckDB file, or a folder of Parquet files, depending on the path.

A folder contains ``schema/table.parquet``, or ``schema/table/`` with any number of Parquet files, in Hive partitions
(``day=2024-01-31/``) if there are any. Names that begin with a dot or an underscore are ignored. Partition columns are
text, or dates where every value is one. No other type is inferred: as numbers, the owners ``07`` and ``7`` would be the
same.

Limits and errors belong to ``connection``.
"""

import glob
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

import duckdb

from analytics_exports.domain.dataset import Relation
from analytics_exports.domain.errors import DatasetChanged, WarehouseUnavailable
from analytics_exports.warehouse.file_identity import Identity, file_identity, overwritten
from analytics_exports.warehouse.identifiers import literal, quote, table_name

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_NO_VALUE = "__HIVE_DEFAULT_PARTITION__"


class Version(Protocol):
    """One version of what is read. Two are equal when nothing was written in between."""

    @property
    def modified(self) -> datetime:
        """When it was last modified (aware, UTC)."""

    def overwritten(self) -> bool:
        """Whether what is still to be read of it was modified since."""


@dataclass(frozen=True, slots=True)
class Access:
    """Paths of the files, and of the folders with their content, that DuckDB may read."""

    files: tuple[str, ...] = ()
    folders: tuple[str, ...] = ()


class Source(Protocol):
    """A place with tables."""

    def version(self, relation: Relation | None = None) -> Version:
        """The current version, of one table if one is named.

        Raises:
            DatasetChanged: there is no such table.
            WarehouseUnavailable: there is no warehouse.
        """

    def scope_key(self, relation: Relation) -> Relation | str:
        """What a connection opened for ``relation`` can read: relations with the same key can share it."""

    def access(self, relation: Relation) -> Access:
        """What must be accessible to read ``relation``. Raises DatasetChanged when there cannot be such a table."""

    def attach(self, connection: duckdb.DuckDBPyConnection, relation: Relation) -> None:
        """Make ``relation`` a table of ``connection``, in an attached database with its name."""


def source_of(path: Path) -> Source:
    """The source at an absolute ``path``, whichever kind it is at the moment."""
    return FolderSource(path) if path.is_dir() else FileSource(path)


@dataclass(frozen=True, slots=True)
class FileSource:
    """A DuckDB file. It may be replaced while it is open."""

    path: Path

    def version(self, relation: Relation | None = None) -> Version:  # noqa: ARG002 - the file is all tables
        """The file itself."""
        return FileVersion(self.path, file_identity(self.path))

    def scope_key(self, relation: Relation) -> str:
        """All tables, under the name of the database."""
        return relation.database

    def access(self, relation: Relation) -> Access:  # noqa: ARG002 - the file is all tables
        """The file and its write-ahead log, and where a link leads to at the moment."""
        paths = dict.fromkeys((self.path, self.path.resolve()))
        return Access(files=tuple(f"{path}{ending}" for path in paths for ending in ("", ".wal")))

    def attach(self, connection: duckdb.DuckDBPyConnection, relation: Relation) -> None:
        """Attach the file under the name of the relation's database."""
        connection.execute(f"ATTACH {literal(str(self.path))} AS {quote(relation.database)} (READ_ONLY)")


@dataclass(frozen=True, slots=True)
class FileVersion:
    """One version of a DuckDB file."""

    path: Path
    identity: Identity

    @property
    def modified(self) -> datetime:
        """When the file was last modified."""
        return self.identity.modified

    def overwritten(self) -> bool:
        """Whether the file was modified in place."""
        return overwritten(self.path, self.identity)


@dataclass(frozen=True, slots=True)
class FolderSource:
    """A folder of Parquet files. It may be a link, so that a new version of everything can be published in one step."""

    path: Path

    def version(self, relation: Relation | None = None) -> Version:
        """The files of one table, or all of them."""
        root = self.path.resolve()
        files = tuple(sorted(_parquet_files(root) if relation is None else _table_files(root, relation)))
        if not files:
            raise DatasetChanged if any(_parquet_files(root)) else WarehouseUnavailable
        return FolderVersion(files, tuple(file_identity(file) for file in files))

    def scope_key(self, relation: Relation) -> Relation:
        """The one table."""
        return relation

    def access(self, relation: Relation) -> Access:
        """The folders of the table's current files."""
        files = _table_files(self.path.resolve(), relation)
        return Access(folders=tuple(sorted({f"{file.parent}/" for file in files})))

    def attach(self, connection: duckdb.DuckDBPyConnection, relation: Relation) -> None:
        """Create a view of the table's current files; files added later are not read."""
        root = self.path.resolve()
        files = sorted(_table_files(root, relation))
        if not files:
            raise DatasetChanged
        names = ", ".join(literal(glob.escape(str(file))) for file in files)
        days = ", ".join(f"{quote(name)}: DATE" for name in _day_partitions(root, files))
        options = f"hive_partitioning = true, hive_types_autocast = false{days and f', hive_types = {{{days}}}'}"
        connection.execute(f"ATTACH ':memory:' AS {quote(relation.database)}")
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(relation.database)}.{quote(relation.schema)}")
        connection.execute(f"CREATE VIEW {table_name(relation)} AS FROM read_parquet([{names}], {options})")


@dataclass(frozen=True, slots=True)
class FolderVersion:
    """One version of some files. They are opened one by one, so none may change until the last is read."""

    files: tuple[Path, ...]
    identities: tuple[Identity, ...]

    @property
    def modified(self) -> datetime:
        """When the newest of them was modified."""
        return max(identity.modified for identity in self.identities)

    def overwritten(self) -> bool:
        """Whether one of them was replaced, removed or modified."""
        try:
            return any(file_identity(file) != known for file, known in zip(self.files, self.identities, strict=True))
        except WarehouseUnavailable:
            return True


def _table_files(root: Path, relation: Relation) -> Iterator[Path]:
    if any("/" in part or part in {"", ".", ".."} for part in (relation.schema, relation.name)):
        raise DatasetChanged
    if not root.is_dir():
        raise WarehouseUnavailable
    base = root / relation.schema
    single = base / f"{relation.name}.parquet"
    if single.is_file():
        yield single
    yield from _parquet_files(base / relation.name)


def _parquet_files(root: Path) -> Iterator[Path]:
    for file in root.rglob("*.parquet"):
        if not any(part.startswith((".", "_")) for part in file.relative_to(root).parts) and file.is_file():
            yield file


def _day_partitions(root: Path, files: Sequence[Path]) -> Sequence[str]:
    """The partition columns all of whose values are dates."""
    values: dict[str, set[str]] = defaultdict(set)
    for file in files:
        for part in file.relative_to(root).parts[:-1]:
            name, partitioned, value = part.partition("=")
            if partitioned and value != _NO_VALUE:
                values[name].add(value)
    return [name for name, found in values.items() if all(map(_is_day, found))]


def _is_day(text: str) -> bool:
    try:
        return bool(_DAY.fullmatch(text) and date.fromisoformat(text))
    except ValueError:
        return False
