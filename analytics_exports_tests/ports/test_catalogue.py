"""What every Catalogue must do: run on dbt's artifacts and on the one in memory."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from analytics_exports.domain.dataset import Rejection, dataset_id
from analytics_exports.domain.errors import CatalogueUnavailable
from analytics_exports.ports import Catalogue
from analytics_exports_tests.data.manifests.handmade import COLUMNS, Project, node
from analytics_exports_tests.factories import dataset
from analytics_exports_tests.fakes.catalogue import FakeCatalogue


@dataclass(frozen=True)
class CatalogueHarness:
    """A catalogue, and ways to change what it reads: by the names of offered and of rejected models, and by damage."""

    catalogue: Catalogue
    publish: Callable[[Iterable[str], Iterable[str]], None]
    damage: Callable[[], None]

    def names(self) -> list[str]:
        return sorted(item.name for item in self.catalogue.state().datasets.values())


def in_memory() -> CatalogueHarness:
    fake = FakeCatalogue(())
    fake.away = True

    def publish(good: Iterable[str], rejected: Iterable[str]) -> None:
        fake.publish((dataset(name=name) for name in good), (Rejection(name, "No owner.") for name in rejected))

    return CatalogueHarness(fake, publish, lambda: setattr(fake, "stale", "It is not whole."))


def on_artifacts(folder: Path) -> CatalogueHarness:
    project = Project(folder)

    def publish(good: Iterable[str], rejected: Iterable[str]) -> None:
        good, rejected = list(good), list(rejected)
        project.tables = {name: COLUMNS if name in good else {"amount": "BIGINT"} for name in (*good, *rejected)}
        project.publish(*map(node, [*good, *rejected]))

    def damage() -> None:
        project.manifest.write_bytes(b'{"metadata"')

    return CatalogueHarness(project.catalogue(), publish, damage)


@pytest.fixture(params=["artifacts", "memory"])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> CatalogueHarness:
    return in_memory() if request.param == "memory" else on_artifacts(tmp_path)


def test_nothing_that_can_be_read_is_an_error(harness: CatalogueHarness) -> None:
    with pytest.raises(CatalogueUnavailable):
        harness.catalogue.state()


def test_datasets_are_found_by_the_id_of_their_name(harness: CatalogueHarness) -> None:
    harness.publish(["orders", "refunds"], [])

    state = harness.catalogue.state()

    assert {key: item.name for key, item in state.datasets.items()} == {
        dataset_id("orders"): "orders",
        dataset_id("refunds"): "refunds",
    }
    assert all(item.id == key for key, item in state.datasets.items())
    assert state.rejected == ()
    assert state.stale is None
    assert state.generated_at.tzinfo is not None


def test_every_column_that_a_dataset_refers_to_is_one_of_its_own(harness: CatalogueHarness) -> None:
    harness.publish(["orders"], [])

    (found,) = harness.catalogue.state().datasets.values()
    filters = found.filters

    used = {filters.date_column, filters.account_id_column, filters.tag_id_column, found.owner_column}
    used |= {item.name for item in filters.enum_filters} | {item.name for item in filters.numeric_filters}
    assert used <= found.columns_by_name().keys()


def test_an_unfit_model_is_named_with_a_reason_and_the_others_stay(harness: CatalogueHarness) -> None:
    harness.publish(["orders"], ["nobodys"])

    assert harness.names() == ["orders"]
    (rejection,) = harness.catalogue.state().rejected
    assert rejection.name == "nobodys"
    assert rejection.reason


def test_a_new_manifest_takes_the_place_of_the_old_one(harness: CatalogueHarness) -> None:
    harness.publish(["orders"], ["nobodys"])
    before = harness.catalogue.state()
    harness.publish(["refunds"], [])

    assert harness.names() == ["refunds"]
    assert harness.catalogue.state().rejected == ()
    assert list(before.datasets) == [dataset_id("orders")]


def test_a_damaged_manifest_leaves_the_last_good_one_and_says_so(harness: CatalogueHarness) -> None:
    harness.publish(["orders"], ["nobodys"])
    before = harness.catalogue.state()
    harness.damage()

    after = harness.catalogue.state()

    assert after.stale
    assert (after.datasets, after.rejected) == (before.datasets, before.rejected)


def test_a_mended_manifest_is_read_at_once(harness: CatalogueHarness) -> None:
    harness.publish(["orders"], [])
    harness.catalogue.state()
    harness.damage()
    harness.catalogue.state()
    harness.publish(["orders", "refunds"], [])

    assert harness.names() == ["orders", "refunds"]
    assert harness.catalogue.state().stale is None
