"""When files are read again, what damage does, and that threads see whole catalogues only."""

import resource
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from analytics_exports.catalogue import DbtCatalogue
from analytics_exports.catalogue.catalogue import RETRY_SECONDS
from analytics_exports.domain.dataset import CatalogueState, Column, Relation
from analytics_exports.domain.errors import CatalogueUnavailable
from analytics_exports_tests.data.manifests.handmade import COLUMNS, Project, catalog, manifest, node, put
from analytics_exports_tests.waiting import LIMIT_SECONDS


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path)
    put(project.catalog, catalog(COLUMNS))
    project.publish(node())
    return project


def names(state: CatalogueState) -> set[str]:
    return {item.name for item in state.datasets.values()}


def test_unchanged_files_are_not_read_again(project: Project) -> None:
    catalogue = project.catalogue()

    assert catalogue.state() is catalogue.state()


def test_a_manifest_that_changed_is_read_again(project: Project) -> None:
    catalogue = project.catalogue()
    catalogue.state()
    project.publish(node("orders"))
    project.tables["orders"] = COLUMNS

    assert names(catalogue.state()) == {"orders"}


def test_a_catalog_that_changed_is_read_again(project: Project) -> None:
    catalogue = project.catalogue()
    catalogue.state()
    put(project.catalog, catalog({"amount": "BIGINT", "user_id": "BIGINT"}))

    assert names(catalogue.state()) == set()


def test_a_catalog_may_come_and_go(project: Project) -> None:
    catalogue = project.catalogue()
    project.catalog.unlink()
    project.tables["fct_transactions"] = {**COLUMNS, "live": "INTEGER"}
    without = catalogue.state()
    put(project.catalog, catalog(COLUMNS))

    (before,), (after,) = without.datasets.values(), catalogue.state().datasets.values()
    assert set(before.columns) - set(after.columns) == {Column("live", "INTEGER")}


def test_no_catalog_need_be_named(project: Project) -> None:
    assert names(DbtCatalogue(project.manifest, None, project.describe).state()) == {"fct_transactions"}


def test_the_first_manifest_is_waited_for(project: Project) -> None:
    project.manifest.unlink()
    catalogue = project.catalogue()

    with pytest.raises(CatalogueUnavailable, match=r"manifest\.json is not there; run dbt"):
        catalogue.state()

    project.publish(node())
    assert names(catalogue.state()) == {"fct_transactions"}


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def garble(path: Path) -> None:
    path.write_bytes(b"\xff\xfe" + path.read_bytes())


def nest(path: Path) -> None:
    path.write_bytes(b"[" * 100_000)


def another_version(path: Path) -> None:
    put(path, manifest(node(), version=13))


def make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("damage", [remove, truncate, empty, garble, nest, another_version, make_folder])
def test_damage_keeps_the_last_good_catalogue(project: Project, damage: Callable[[Path], None]) -> None:
    catalogue = project.catalogue()
    before = catalogue.state()
    damage(project.manifest)

    after = catalogue.state()

    assert after.datasets == before.datasets
    assert after.stale is not None
    assert str(project.manifest.parent) not in after.stale
    with pytest.raises(CatalogueUnavailable):
        project.catalogue().state()


@pytest.mark.parametrize("damage", [truncate, empty, garble])
def test_so_does_damage_to_the_catalog(project: Project, damage: Callable[[Path], None]) -> None:
    catalogue = project.catalogue()
    before = catalogue.state()
    damage(project.catalog)

    assert catalogue.state().datasets == before.datasets
    assert catalogue.state().stale == "catalog.json is not whole; run dbt again."


@contextmanager
def no_file_can_be_opened() -> Iterator[None]:
    """As when a process has too many open for a moment."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_what_could_not_be_read_is_tried_again_though_it_did_not_change(project: Project) -> None:
    catalogue = project.catalogue()
    catalogue.state()
    project.publish(node(description="New."))
    with no_file_can_be_opened():
        assert catalogue.state().stale == "manifest.json cannot be read; check its permissions."

    assert catalogue.state().stale, "not at every call"
    project.now += RETRY_SECONDS
    after = catalogue.state()
    assert after.stale is None
    assert [item.description for item in after.datasets.values()] == ["New."]


def test_a_manifest_cut_off_at_any_byte_keeps_the_last_good_catalogue(project: Project) -> None:
    catalogue = project.catalogue()
    before = catalogue.state()
    whole = project.manifest.read_bytes()
    for length in range(len(whole)):
        project.manifest.write_bytes(whole[:length])
        after = catalogue.state()
        assert after.stale == "manifest.json is not whole; run dbt again."
        assert after.datasets == before.datasets
    project.manifest.write_bytes(whole)
    assert catalogue.state() == before


def test_while_one_thread_reads_the_others_go_on_with_what_there_was(project: Project) -> None:
    reading, may_go_on = Event(), Event()

    def describe(relation: Relation) -> tuple[Column, ...] | None:
        if relation.name == "orders":
            reading.set()
            assert may_go_on.wait(LIMIT_SECONDS)
        return project.describe(relation)

    project.tables["orders"] = COLUMNS
    catalogue = DbtCatalogue(project.manifest, project.catalog, describe)
    before = catalogue.state()
    project.publish(node("orders"))
    with ThreadPoolExecutor() as threads:
        one = threads.submit(catalogue.state)
        assert reading.wait(LIMIT_SECONDS)
        meanwhile = catalogue.state()
        may_go_on.set()

        assert meanwhile is before
        assert names(one.result(LIMIT_SECONDS)) == {"orders"}
    assert names(catalogue.state()) == {"orders"}


def test_threads_that_come_first_together_read_once(project: Project) -> None:
    project.catalog.unlink()
    catalogue = project.catalogue()
    with ThreadPoolExecutor(8) as threads:
        states = list(threads.map(lambda _: catalogue.state(), range(64)))

    assert len(set(map(id, states))) == 1
    assert project.asked == ["fct_transactions"]


def test_threads_see_whole_catalogues_while_manifests_come_and_go(project: Project) -> None:
    generations = [frozenset(f"g{number}_{item}" for item in range(5)) for number in range(20)]
    project.tables = {name: COLUMNS for names in generations for name in names}
    project.publish(*map(node, generations[0]))
    catalogue = project.catalogue()
    finished = Event()

    def watch() -> set[frozenset[str]]:
        seen = {frozenset(names(catalogue.state()))}
        while not finished.is_set():
            seen.add(frozenset(names(catalogue.state())))
        return seen

    with ThreadPoolExecutor() as threads:
        watching = [threads.submit(watch) for _ in range(4)]
        try:
            for generation in generations[1:]:
                project.publish(*map(node, generation))
                catalogue.state()
                project.manifest.write_bytes(b"{")
        finally:
            finished.set()
        seen = {found for watcher in watching for found in watcher.result(LIMIT_SECONDS)}

    assert seen <= set(generations)
    project.publish(*map(node, generations[-1]))
    assert names(catalogue.state()) == generations[-1]
