"""Reading the datasets on offer."""

from collections.abc import Sequence

from analytics_exports.domain.dataset import Dataset, DatasetId
from analytics_exports.domain.errors import DatasetNotFound
from analytics_exports.ports import Catalogue


class DatasetReader:
    """Lists datasets and finds them by id."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Read from this catalogue."""
        self._catalogue = catalogue

    def list(self) -> Sequence[Dataset]:
        """All datasets on offer, ordered by group and name."""
        return sorted(self._catalogue.state().datasets.values(), key=lambda item: (item.group or "", item.name))

    def get(self, dataset_id: DatasetId) -> Dataset:
        """The dataset with this id. Raises DatasetNotFound."""
        found = self._catalogue.state().datasets.get(dataset_id)
        if found is None:
            raise DatasetNotFound
        return found
