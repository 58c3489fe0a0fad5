"""What can be exported: looking up datasets for callers."""

from collections.abc import Sequence

from analytics_exports.domain.dataset import Dataset, DatasetId
from analytics_exports.domain.errors import DatasetNotFound
from analytics_exports.ports import Catalogue


class Browsing:
    """Datasets by list and by id."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Read from this catalogue."""
        self._catalogue = catalogue

    def datasets(self) -> Sequence[Dataset]:
        """All datasets on offer, by group and name."""
        return sorted(self._catalogue.state().datasets.values(), key=lambda item: (item.group or "", item.name))

    def dataset(self, dataset_id: DatasetId) -> Dataset:
        """One dataset.

        Raises:
            DatasetNotFound: none has this id.
        """
        found = self._catalogue.state().datasets.get(dataset_id)
        if found is None:
            raise DatasetNotFound
        return found
