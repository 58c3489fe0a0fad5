"""The sockets between the use cases and the outside: narrow Protocols in domain words.

Each has a real adapter in the package and an in-memory one in the tests; one behaviour suite runs on both. What belongs
here: signatures, and what a caller may rely on. What does not: anything that knows a library. Rows cross as a Polars
LazyFrame, named here for the type checker only.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, BinaryIO, Protocol

from analytics_exports.domain.access import OwnerScope, Principal, UserId
from analytics_exports.domain.dataset import CatalogueState, Column, Dataset, Relation
from analytics_exports.domain.export import Artifact, Claim, ExportJob, ExportRequest, Failure, JobId, Launch
from analytics_exports.domain.formats import Format
from analytics_exports.domain.selection import Selection

if TYPE_CHECKING:
    import polars as pl


class Catalogue(Protocol):
    """The datasets on offer."""

    def state(self) -> CatalogueState:
        """The newest catalogue that can be read.

        Raises:
            CatalogueUnavailable: none could be read yet.
        """


class Scan(Protocol):
    """One reading of the warehouse, restricted to one owner and one selection; it sees one version of the data."""

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the frame, with DuckDB's type names."""

    @property
    def data_as_of(self) -> datetime:
        """When the version of the warehouse that is read was built (aware, UTC)."""

    @property
    def frame(self) -> "pl.LazyFrame":
        """The rows in their stable order. Collecting or sinking it reads the warehouse in batches, once.

        Every batch is checked to hold rows of the owner only: IsolationViolation otherwise.
        """

    @property
    def preview(self) -> "pl.DataFrame":
        """The first few rows that were read; none before the frame is used."""

    def verify(self) -> None:
        """Raise WarehouseChanged when the file was overwritten in place since this scan opened it."""

    def interrupt(self) -> None:
        """Stop a read in progress, from any thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of a selection's rows.

    Attributes:
        columns: With DuckDB's type names.
        rows: Each the text of one JSON object; values as ``warehouse.json_values`` says.
        next: Cursor of the page after this one; ``None`` on the last.
        data_as_of: When the version of the warehouse that was read was built.
    """

    columns: tuple[Column, ...]
    rows: tuple[str, ...]
    next: str | None
    data_as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What an export of a selection would hold: exactly so many rows, and about so many bytes as plain CSV."""

    row_count: int
    text_bytes: int


class Warehouse(Protocol):
    """The rows. Every way to them takes an OwnerScope, and a selection that was checked against the dataset."""

    def scan(self, dataset: Dataset, scope: OwnerScope, selection: Selection) -> AbstractContextManager[Scan]:
        """Open a scan of all rows of ``selection``.

        Raises:
            DatasetChanged: the table or a column is no longer as ``dataset`` says.
            WarehouseBusy: a writer holds the file.
            WarehouseUnavailable: there is no readable file.
        """

    def page(
        self,
        dataset: Dataset,
        scope: OwnerScope,
        selection: Selection,
        *,
        limit: int,
        offset: int = 0,
        after: str | None = None,
    ) -> Page:
        """At most ``limit`` rows of the same scan, without the first ``offset`` or after a page's cursor ``after``.

        Pages put end to end are the scan row for row. Raises as ``scan`` and its frame do, and InvalidRequest for a
        cursor that does not belong to this dataset, scope and selection.
        """

    def count(self, dataset: Dataset, scope: OwnerScope, selection: Selection) -> int:
        """How many rows the scan has. Raises as ``page`` does."""

    def estimate(self, dataset: Dataset, scope: OwnerScope, selection: Selection) -> Estimate:
        """How large an export of the scan would be. Raises as ``page`` does."""

    def describe(self, relation: Relation) -> tuple[Column, ...] | None:
        """The columns of a table or view, with DuckDB's type names; ``None`` when there is none.

        Raises:
            WarehouseBusy, WarehouseUnavailable: as for ``scan``.
        """

    def data_as_of(self) -> datetime:
        """When the current version of the warehouse was built. Raises WarehouseUnavailable."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a finished but unpublished file holds."""

    row_count: int
    file_size_bytes: int
    sha256: str


class Staging(Protocol):
    """A file being written where no reader can see it. Leaving its context unpublished removes it."""

    def write(
        self,
        frame: "pl.LazyFrame",
        format: Format,
        options: Mapping[str, object],
        progress: Callable[[int, int], None],
    ) -> Written:
        """Stream ``frame`` to the file, make it durable and read it back.

        Args:
            progress: Called with rows and bytes written so far, often and cheaply.

        Raises:
            StorageFull: the disk or the quota is full.
            StorageUnavailable: the folder is gone or not writable.
            TooLarge: the file passed the configured limit.
        """

    def publish(self) -> None:
        """Make the written file visible under its key in one step, replacing an earlier attempt's."""


class ArtifactStore(Protocol):
    """Where finished files are kept, by key."""

    def stage(self, key: str, attempt: int) -> AbstractContextManager[Staging]:
        """Begin a file that will become visible as ``key``. Raises StorageUnavailable."""

    def open(self, key: str) -> BinaryIO | None:
        """A published file open for reading, or ``None``. It stays readable when the file is removed meanwhile."""

    def remove(self, key: str) -> None:
        """Remove a published file; nothing happens when there is none."""

    def check(self) -> None:
        """Raise StorageUnavailable or StorageFull when files cannot be written."""


class JobStore(Protocol):
    """The jobs table. Each method is one transaction; each transition one compare-and-set on the database's clock."""

    def create(self, principal: Principal, request: ExportRequest) -> ExportJob:
        """Store a new pending export."""

    def load(self, job_id: JobId) -> ExportJob | None:
        """An export whoever owns it: for workers and operators only."""

    def find(self, user_id: UserId, job_id: JobId) -> ExportJob | None:
        """An export of this user; ``None`` when it is unknown or somebody else's, without telling which.

        A completed export past its time is expired here at once, before anybody made that transition.
        """

    def due(self, limit: int, hold: timedelta) -> Sequence[Launch]:
        """Attempts to launch now, fair between users. Each is held for ``hold``: nobody else gets it meanwhile."""

    def claim(self, job_id: JobId, run_id: str, lease: timedelta) -> tuple[ExportJob, Claim]:
        """Take the next attempt: pending becomes running. A completed export can be claimed to be made again.

        Raises:
            ClaimLost: the export is in no state to be produced, or another worker has it.
        """

    def renew(self, claim: Claim, lease: timedelta, progress: Mapping[str, object]) -> bool:
        """Prolong the lease and store progress; ``False`` when the claim is lost and work must stop."""

    def publishing(self, claim: Claim) -> AbstractContextManager[None]:
        """Hold the row while a file becomes visible. Raises ClaimLost when the claim is not valid any more."""

    def complete(self, claim: Claim, artifact: Artifact, retention: timedelta) -> bool:
        """Running becomes completed; ``False`` when the claim is not the current one. Safe to repeat."""

    def give_up(self, claim: Claim, failure: Failure, max_attempts: int) -> bool:
        """End an attempt: back to pending when retryable and attempts are left, failed otherwise."""

    def run_ended(self, run_id: str, failure: Failure, max_attempts: int) -> int:
        """The same for whatever a run that ended without a result still holds; returns how many exports."""

    def overdue(self, limit: int) -> Sequence[tuple[ExportJob, Claim]]:
        """Running exports whose lease is over."""

    def cancel(self, user_id: UserId, job_id: JobId) -> ExportJob | None:
        """Pending or running becomes cancelled; returns the export as it then is, ``None`` if not the user's."""

    def expire(self, limit: int) -> Sequence[ExportJob]:
        """Completed exports past their time become expired; returns every expired export whose file is still to go."""

    def file_removed(self, job_ids: Collection[JobId]) -> None:
        """Note that the files of these expired exports are gone."""

    def cursor(self, name: str) -> int:
        """The stored position of a reader, 0 at first."""

    def advance(self, name: str, position: int) -> None:
        """Store the position of a reader; it never goes back."""


@dataclass(frozen=True, slots=True)
class Materialised:
    """Dagster's event log says that a claim's file was published."""

    claim: Claim
    artifact: Artifact


@dataclass(frozen=True, slots=True)
class RunEnded:
    """Dagster's event log says that a run failed or was cancelled."""

    run_id: str
    cancelled: bool


class Orchestrator(Protocol):
    """The hand into Dagster."""

    def register(self, job_ids: Iterable[JobId]) -> None:
        """Make these exports partitions of the export asset; those that are already stay."""

    def forget(self, job_ids: Iterable[JobId]) -> None:
        """Remove the partitions of these exports."""

    def terminate(self, run_id: str) -> None:
        """Ask for a run to stop; nothing happens when it has ended."""

    def check(self) -> None:
        """Raise OrchestratorUnavailable when nothing would launch an export now."""

    def materialisations(self, after: int, limit: int) -> tuple[int, Sequence[Materialised]]:
        """The next publications logged after position ``after``, and the position up to which that reads the log."""

    def materialisation(self, job_id: JobId) -> Materialised | None:
        """The latest publication of one export."""

    def ended_runs(self, after: int, limit: int) -> tuple[int, Sequence[RunEnded]]:
        """The next runs that failed or were cancelled, and the position up to which that reads the log."""


class Signal(Protocol):
    """Something that another process can announce."""

    def wait(self, seconds: float) -> bool:
        """Wait until it is announced, at most so long; whether it was."""


class Directory(Protocol):
    """Users, their tokens, and what is theirs."""

    def principal(self, token: str) -> Principal | None:
        """Whose token this is; ``None`` unless it is valid now."""

    def accounts_owned(self, user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        """Those of ``ids`` that are accounts of this user."""

    def tags_owned(self, user_id: UserId, ids: Collection[str]) -> frozenset[str]:
        """Those of ``ids`` that are tags of this user."""
