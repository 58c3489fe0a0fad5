"""Answering at once, without a file: pages of rows, and how large an export would be.

The same selection, the same SQL and the same order as an export: pages put end to end are its rows.
"""

from dataclasses import dataclass

from analytics_exports.domain.access import Principal
from analytics_exports.domain.dataset import DatasetId
from analytics_exports.domain.selection import Selection
from analytics_exports.ports import Estimate, Page, Warehouse
from analytics_exports.services.selecting import Selecting


@dataclass(frozen=True, slots=True)
class Querying:
    """Reads for a caller who waits.

    Attributes:
        warehouse: With the limits of a request, not those of an export.
    """

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
        after: str | None = None,
    ) -> Page:
        """At most ``limit`` rows, without the first ``offset`` or after a page's cursor ``after``.

        Raises:
            DatasetNotFound, InvalidRequest: as for an export, and for a cursor of another query.
            TimedOut, OutOfMemory: the query needs more than a request may use.
            WarehouseBusy, WarehouseUnavailable: not now.
        """
        dataset, checked = self.selecting.check(principal, dataset_id, selection)
        return self.warehouse.page(dataset, principal.owner_scope(), checked, limit=limit, offset=offset, after=after)

    def estimate(self, principal: Principal, dataset_id: DatasetId, selection: Selection) -> Estimate:
        """How large an export would be. Raises as ``page`` does."""
        dataset, checked = self.selecting.check(principal, dataset_id, selection)
        return self.warehouse.estimate(dataset, principal.owner_scope(), checked)
