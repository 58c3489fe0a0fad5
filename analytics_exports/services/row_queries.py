"""Pages of rows, and estimates of an export's size, computed while the caller waits."""

from collections.abc import Mapping
from dataclasses import dataclass

from analytics_exports.domain.access import Principal
from analytics_exports.domain.dataset import DatasetId
from analytics_exports.domain.formats import Format, ending
from analytics_exports.domain.selection import Selection
from analytics_exports.ports import Page, Warehouse
from analytics_exports.services.datasets import DatasetReader

RELATIVE_SIZES: Mapping[Format, float] = {
    Format.CSV: 1.0,
    Format.PARQUET: 0.4,
    Format.NDJSON: 2.2,
    Format.ARROW: 0.6,
    Format.XLSX: 0.6,
}
"""Approximate file size by format, relative to plain CSV."""

COMPRESSED_SIZE = 0.3
"""Approximate size of compressed text, relative to the plain text."""


@dataclass(frozen=True, slots=True)
class SizeEstimate:
    """The size of an export: the exact number of rows, and the approximate size of the file in bytes."""

    row_count: int
    file_size_bytes: int


@dataclass(frozen=True, slots=True)
class RowQueries:
    """Queries the warehouse with limits of its own, tighter than those of an export."""

    datasets: DatasetReader
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
        """At most ``limit`` of the caller's rows, starting at ``offset`` or after the cursor of an earlier page.

        Raises:
            DatasetNotFound, InvalidRequest: as ``DatasetReader.check``; also for a cursor of another request.
            Unavailable, ProductionFailed: the rows could not be read.
        """
        dataset, selection = self.datasets.check(principal, dataset_id, selection)
        scope = principal.owner_scope()
        return self.warehouse.page(dataset, scope, selection, limit=limit, offset=offset, after=cursor)

    def estimate(
        self,
        principal: Principal,
        dataset_id: DatasetId,
        selection: Selection,
        format: Format,
        options: Mapping[str, object],
    ) -> SizeEstimate:
        """Estimate the size of an export in this format. Raises as ``page``."""
        dataset, selection = self.datasets.check(principal, dataset_id, selection)
        found = self.warehouse.estimate(dataset, principal.owner_scope(), selection)
        packed = ending(format, options) != format
        size = found.text_bytes * RELATIVE_SIZES[format] * (COMPRESSED_SIZE if packed else 1.0)
        return SizeEstimate(found.row_count, round(size))
