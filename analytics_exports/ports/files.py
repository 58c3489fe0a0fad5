"""Where finished files are kept, and how one gets there."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, BinaryIO, Protocol
from uuid import UUID

from analytics_exports.domain.dataset import Column
from analytics_exports.domain.formats import ColumnFacts, FileWarning, Format, Part

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True, slots=True)
class Written:
    """What a finished but unpublished file holds.

    Attributes:
        sha256: Of the whole file, in hex.
        version: Tells the file from any other that was or will be under the same key (see ``StoredFile``).
        columns: Names, types and descriptions, and how many cells are NULL.
        parts: The files inside, when it is a zip of several.
        warnings: What its reader should know.
    """

    row_count: int
    file_size_bytes: int
    sha256: str
    version: str = ""
    columns: tuple[ColumnFacts, ...] = ()
    parts: tuple[Part, ...] = ()
    warnings: tuple[FileWarning, ...] = ()


class Staging(Protocol):
    """A file being written where no reader can see it. Leaving its context unpublished removes it."""

    def write(
        self,
        frame: "pl.LazyFrame",
        format: Format,
        options: Mapping[str, object],
        progress: Callable[[int, int], None],
        *,
        columns: Sequence[Column] | None = None,
        facts: Mapping[str, str] | None = None,
    ) -> Written:
        """Stream ``frame`` to the file, make it durable and read it back.

        Args:
            options: Of the format, as plain JSON values.
            progress: Called with rows and bytes written so far, often and cheaply.
            columns: The columns of ``frame`` in its order, with DuckDB's type names; they tell JSON from other text and
                maps from lists.
            facts: Short texts on the export, by name, for formats that have room for them.

        Raises:
            InvalidRequest: the options are not ones of this format.
            StorageFull: the disk or the quota is full.
            StorageUnavailable: the folder is gone or not writable.
            TooLarge: the file passed the configured limit.
        """

    def publish(self) -> None:
        """Make the written file visible under its key in one step, replacing an earlier attempt's."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A published file, open for reading; whoever gets it closes it.

    Attributes:
        version: That of ``Written``, unless the file was copied to another place since.
    """

    content: BinaryIO
    version: str


class ArtifactStore(Protocol):
    """Where finished files are kept, by key: ``exports/{user_id}/{job_id}.{ending}``."""

    def prepare(self) -> None:
        """Make the place ready for files, and mark it as the store's: for the set-up of the service only.

        Raises:
            StorageUnavailable: it cannot be made or written.
        """

    def stage(self, key: str, attempt: int) -> AbstractContextManager[Staging]:
        """Begin a file that will become visible as ``key``. Raises StorageFull or StorageUnavailable, as ``check``."""

    def open(self, key: str) -> StoredFile | None:
        """A published file open for reading, or ``None``.

        What is read from its beginning on stays readable when the file is removed meanwhile.
        """

    def link(self, key: str, lifetime: timedelta) -> str | None:
        """An address from which anybody can download a published file for so long, without asking this service.

        ``None`` when there is no file, or when the store gives no such addresses.
        """

    def remove(self, key: str) -> None:
        """Remove a published file; nothing happens when there is none."""

    def check(self, expected_bytes: int = 0) -> None:
        """Raise StorageUnavailable or StorageFull when files, one of ``expected_bytes`` included, cannot be written."""

    def sweep(self, live: Callable[[UUID, int | None], bool]) -> int:
        """Remove files that no export needs any more; returns how many.

        Args:
            live: Whether an attempt of an export may still be writing; with ``None`` for the attempt, whether the
                export may have a published file.
        """
