"""The artifact store: where finished files are kept, and how a file is written to it."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import BinaryIO, Protocol
from uuid import UUID

from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.dataset import Column
from analytics_exports.domain.formats import Format
from analytics_exports.ports.data import Rows


class Staging(Protocol):
    """A file being written where no reader can see it. It is removed when its context ends before it was published."""

    def write(
        self,
        rows: Rows,
        format: Format,
        options: Mapping[str, object],
        progress: Callable[[int, int], None],
        *,
        columns: Sequence[Column] | None = None,
        facts: Mapping[str, str] | None = None,
        data_as_of: datetime | None = None,
    ) -> Artifact:
        """Stream ``rows`` to the file, make it durable and read it back.

        Args:
            options: Of the format, as plain JSON values.
            progress: Called with rows and bytes written so far, often and cheaply.
            columns: Those of ``rows``, in their order, with DuckDB's type names; they distinguish JSON from other
                text and maps from lists.
            facts: Short texts about the export, by name, for formats that have metadata.
            data_as_of: When what the rows were read from was last built; by default now.

        Raises:
            InvalidRequest: the options are not valid for this format.
            StorageFull: the disk or the quota is full.
            StorageUnavailable: the folder is gone or not writable.
            TooLarge: the file exceeded the configured limit.
        """

    def publish(self) -> None:
        """Make the written file visible under its key in one step, replacing that of an earlier attempt."""


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A published file, open for reading. The receiver closes it.

    Attributes:
        version: That of the artifact, unless the file was copied to another place since.
    """

    content: BinaryIO
    version: str


class ArtifactStore(Protocol):
    """Finished files by key: ``exports/{user_id}/{job_id}.{ending}``."""

    def prepare(self) -> None:
        """Create the store and mark it as such: only when the service is set up.

        Raises:
            StorageUnavailable: it cannot be created or written.
        """

    def stage(self, key: str, attempt: int) -> AbstractContextManager[Staging]:
        """Begin a file that will be published as ``key``. Raises StorageFull or StorageUnavailable, as ``check``."""

    def open(self, key: str) -> StoredFile | None:
        """Open a published file for reading; ``None`` when there is none.

        A file that is being read from its beginning stays readable when it is removed meanwhile.
        """

    def link(self, key: str, lifetime: timedelta) -> str | None:
        """A URL from which anybody can download a published file for ``lifetime``, without asking this service.

        ``None`` when there is no file, or when the store has no such URLs.
        """

    def remove(self, key: str) -> None:
        """Remove a published file; nothing happens when there is none."""

    def check(self, expected_bytes: int = 0) -> None:
        """Raise StorageUnavailable or StorageFull when a file of ``expected_bytes`` could not be written."""

    def sweep(self, live: Callable[[UUID, int | None], bool]) -> int:
        """Remove files that no export needs any more. Returns how many.

        Args:
            live: Whether an attempt of an export may still be writing; with ``None`` for the attempt, whether the
                export may have a published file.
        """
