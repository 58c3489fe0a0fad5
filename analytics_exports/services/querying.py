"""Small answers at once: pages of rows, and how large an export would be. By the same path as an export."""

from collections.abc import Mapping
from dataclasses import dataclass

from analytics_exports.domain.access import Principal
from analytics_exports.domain.dataset import DatasetId
from analytics_exports.domain.formats import Format, ending
from analytics_exports.domain.selection import Selection
from analytics_exports.ports import Page, Warehouse
from analytics_exports.services.selecting import Selecting

SIZES: Mapping[Format, float] = {
    Format.CSV: 1.0,
    Format.PARQUET: 0.4,
    Format.NDJSON: 2.2,
    Format.ARROW: 0.6,
    Format.XLSX: 0.6,
}
"""About how large a file is for each byte that it has as plain CSV."""

PACKED = 0.3
"""About how large a compressed text is for each byte of the text."""


@dataclass(frozen=True, slots=True)
class Size:
    """How large an export would be: exactly so many rows, and about so many bytes."""

    row_count: int
    file_size_bytes: int


@dataclass(frozen=True, slots=True)
class Querying:
    """Reads the warehouse while the caller waits; with limits of its own, tighter than those of an export."""

    selecting: Selecting
    warehouse: Warehouse

    def page(
        self,
        principal: Principal,
        dataset_id: DatasetId,
        selection: Selection,
        *,
        limit: int,
        offset: int = 0,
        cursor: str | None = None,
    ) -> Page:
        """At most ``limit`` of the caller's rows, without the first ``offset`` or after the cursor of another page.

        Raises:
            DatasetNotFound, InvalidRequest: as ``Selecting.checked``, and for a cursor of another request.
            Unavailable, ProductionFailed: the rows could not be read.
        """
        dataset, selection = self.selecting.checked(principal, dataset_id, selection)
        scope = principal.owner_scope()
        return self.warehouse.page(dataset, scope, selection, limit=limit, offset=offset, after=cursor)

    def estimate(
        self,
        principal: Principal,
        dataset_id: DatasetId,
        selection: Selection,
        format: Format,
        options: Mapping[str, object],
    ) -> Size:
        """How large a file of this format would be. Raises as ``page``."""
        dataset, selection = self.selecting.checked(principal, dataset_id, selection)
        found = self.warehouse.estimate(dataset, principal.owner_scope(), selection)
        packed = ending(format, options) != format
        size = found.text_bytes * SIZES[format] * (PACKED if packed else 1.0)
        return Size(found.row_count, round(size))
