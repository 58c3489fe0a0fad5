"""What can be exported, and its rows: the catalogue and the warehouse."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.dataset import CatalogueState, Column, Dataset, Relation
from analytics_exports.domain.selection import Selection

if TYPE_CHECKING:
    import polars as pl


SOURCES_VARIABLE = "ANALYTICS_EXPORTS_BUILD_SOURCES"
"""Environment variable from which a dbt project may take the folder of its source files; set for its build."""


class BuildFailed(Exception):
    """dbt did not build the warehouse; the live one is unchanged.

    Attributes:
        log: Output of dbt, for operators. The message contains neither paths nor SQL.
    """

    def __init__(self, reason: str, log: Path) -> None:
        """Make the error; ``reason`` is a fixed sentence."""
        super().__init__(f"{reason} The live warehouse is unchanged; the dbt log has the details.")
        self.log = log


@dataclass(frozen=True, slots=True)
class BuildReport:
    """A published build.

    Attributes:
        invocation_id: dbt's id of the build, also in the manifest.
        seconds: Wall time of dbt.
        models: Number of models built.
        tests: Number of data tests passed.
        warehouse_bytes: Size of the DuckDB file.
        data_as_of: When dbt finished the file: its modification time (UTC).
    """

    invocation_id: str
    seconds: float
    models: int
    tests: int
    warehouse_bytes: int
    data_as_of: datetime


class Catalogue(Protocol):
    """The datasets on offer."""

    def state(self) -> CatalogueState:
        """The newest catalogue that can be read.

        Raises:
            CatalogueUnavailable: none could be read yet.
        """


class Rows(Protocol):
    """Rows that can be written to a file."""

    @property
    def schema(self) -> "pl.Schema":
        """The columns of all batches."""

    def batches(self) -> "Iterator[pl.DataFrame]":
        """The rows in their order, some thousand at a time."""


class Scan(Rows, Protocol):
    """One reading of the warehouse, restricted to one owner and one selection; it sees one version of the data.

    ``batches`` reads the warehouse, in a stable order. Every batch is verified to hold rows of the owner only:
    IsolationViolation otherwise.
    """

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns of the rows, with DuckDB's type names."""

    @property
    def data_as_of(self) -> datetime:
        """When the version of the warehouse that is read was built (aware, UTC)."""

    @property
    def preview(self) -> "pl.DataFrame":
        """The first few rows that were read; empty before."""

    def verify(self) -> None:
        """Raise WarehouseChanged when the file was overwritten in place since this scan opened it."""

    def interrupt(self) -> None:
        """Stop a read in progress, from any thread."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of a selection's rows.

    Attributes:
        columns: With DuckDB's type names.
        rows: Each the text of one JSON object; values as ``encoding.json_values`` defines.
        next: Cursor of the following page; ``None`` on the last.
        data_as_of: When the version of the warehouse that was read was built.
    """

    columns: tuple[Column, ...]
    rows: tuple[str, ...]
    next: str | None
    data_as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The size of an export: the exact number of rows, and the approximate size as plain CSV in bytes."""

    row_count: int
    text_bytes: int


OnStart = Callable[[Callable[[], None]], object]
"""Callback that receives a function to interrupt the operation that has started."""


class Warehouse(Protocol):
    """The rows. Every method that reads them takes an OwnerScope, and a selection that was checked."""

    def scan(self, dataset: Dataset, scope: OwnerScope, selection: Selection) -> AbstractContextManager[Scan]:
        """Open a scan of all rows of ``selection``.

        Raises:
            DatasetChanged: the table or a column is no longer as ``dataset`` says.
            StorageUnavailable: there is no place for data that does not fit into memory.
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
        """At most ``limit`` rows of the same scan, from ``offset`` on or after the cursor of an earlier page.

        All pages together are the scan, row for row. Raises as ``scan`` and its batches do, and InvalidRequest for a
        cursor that does not belong to this dataset, scope and selection.
        """

    def count(self, dataset: Dataset, scope: OwnerScope, selection: Selection, on_start: OnStart | None = None) -> int:
        """The number of rows of the scan.

        Args:
            on_start: Receives the function that interrupts the count, from any thread; the count then raises
                RunCancelled.

        Raises:
            ExportError: as ``page`` does.
        """

    def estimate(self, dataset: Dataset, scope: OwnerScope, selection: Selection) -> Estimate:
        """Estimate the size of an export of the scan. Raises as ``page`` does."""

    def describe(self, relation: Relation) -> tuple[Column, ...] | None:
        """The columns of a table or view, with DuckDB's type names; ``None`` when it does not exist.

        Raises:
            WarehouseBusy, WarehouseUnavailable: as for ``scan``.
        """

    def keep_alive(self) -> AbstractContextManager[None]:
        """Keep a connection open between the readings inside the block.

        A writer may have to wait until the block ends. Each reading still sees the newest version when it begins.
        """

    def data_as_of(self) -> datetime:
        """When the current version of the warehouse was built. Raises WarehouseUnavailable."""
