"""The Catalogue in memory."""

from collections.abc import Iterable

from analytics_exports.domain.dataset import CatalogueState, Dataset, Rejection
from analytics_exports.domain.errors import CatalogueUnavailable
from analytics_exports_tests.factories import NOW


class FakeCatalogue:
    """Implements ``ports.Catalogue`` over datasets that the test hands in.

    Set ``away`` for a catalogue that was never readable, ``stale`` for one whose newest manifest is not.
    """

    def __init__(self, datasets: Iterable[Dataset], rejected: Iterable[Rejection] = ()) -> None:
        self.away = False
        self.stale: str | None = None
        self.publish(datasets, rejected)

    def publish(self, datasets: Iterable[Dataset], rejected: Iterable[Rejection] = ()) -> None:
        """A new and readable manifest, with these datasets in place of all earlier ones."""
        self.away, self.stale = False, None
        self._datasets = {dataset.id: dataset for dataset in datasets}
        self._rejected = tuple(rejected)

    def state(self) -> CatalogueState:
        if self.away:
            raise CatalogueUnavailable
        return CatalogueState(
            datasets=self._datasets,
            rejected=self._rejected,
            generated_at=NOW,
            invocation_id="invocation",
            stale=self.stale,
        )
