"""What can be exported, and the rows of it: the catalogue and the warehouse."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.dataset import CatalogueState, Column, Dataset, Relation
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


Begun = Callable[[Callable[[], None]], object]
"""Is given a function that interrupts what has begun."""


class Warehouse(Protocol):
    """The rows. Every way to them takes an OwnerScope, and a selection that was checked against the dataset."""

    def scan(self, dataset: Dataset, scope: OwnerScope, selection: Selection) -> AbstractContextManager[Scan]:
        """Open a scan of all rows of ``selection``.

        Raises:
            DatasetChanged: the table or a column is no longer as ``dataset`` says.
            StorageUnavailable: there is nowhere to put what does not fit into memory.
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

    def count(self, dataset: Dataset, scope: OwnerScope, selection: Selection, begun: Begun | None = None) -> int:
        """How many rows the scan has.

        Args:
            begun: Told how to interrupt the count, from any thread, before it reads; then it raises RunCancelled.

        Raises:
            ExportError: as ``page`` does.
        """

    def estimate(self, dataset: Dataset, scope: OwnerScope, selection: Selection) -> Estimate:
        """How large an export of the scan would be. Raises as ``page`` does."""

    def describe(self, relation: Relation) -> tuple[Column, ...] | None:
        """The columns of a table or view, with DuckDB's type names; ``None`` when there is none.

        Raises:
            WarehouseBusy, WarehouseUnavailable: as for ``scan``.
        """

    def keep_open(self) -> AbstractContextManager[None]:
        """Keep what is slow to open from one reading to the next inside the block.

        A writer may have to wait for its end. What is read is still the version that is there when a reading begins.
        """

    def data_as_of(self) -> datetime:
        """When the current version of the warehouse was built. Raises WarehouseUnavailable."""
