"""When files are read again, what damage does, and that threads see whole catalogues only."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from analytics_exports.catalogue import DbtCatalogue
from analytics_exports.catalogue.catalogue import RETRY_SECONDS
from analytics_exports.domain.dataset import CatalogueState, Column, Relation
from analytics_exports.domain.errors import CatalogueUnavailable
from analytics_exports_tests.data.manifests.handmade import COLUMNS, Project, catalog, manifest, node, put

PATIENCE = 30


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


@pytest.mark.parametrize("file", ["manifest", "catalog"])
def test_either_file_is_read_again_when_it_changed(project: Project, file: str) -> None:
    catalogue = project.catalogue()
    before = catalogue.state()
    path: Path = getattr(project, file)
    put(path, {**manifest(), **catalog({"user_id": "BIGINT"})} if file == "catalog" else manifest())

    assert catalogue.state() != before


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

    with pytest.raises(CatalogueUnavailable, match="manifest.json is not there; run dbt"):
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


def test_what_could_not_be_read_is_tried_again_though_it_looks_unchanged(project: Project) -> None:
    """As after a change of permissions, or when there were too many open files for a moment."""
    catalogue = project.catalogue()
    catalogue.state()
    kept = project.manifest.with_name("kept")
    project.manifest.rename(kept)
    assert catalogue.state().stale
    kept.rename(project.manifest)
    project.now += RETRY_SECONDS

    assert catalogue.state().stale is None


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
            assert may_go_on.wait(PATIENCE)
        return project.describe(relation)

    project.tables["orders"] = COLUMNS
    catalogue = DbtCatalogue(project.manifest, project.catalog, describe)
    before = catalogue.state()
    project.publish(node("orders"))
    with ThreadPoolExecutor() as threads:
        one = threads.submit(catalogue.state)
        assert reading.wait(PATIENCE)
        meanwhile = catalogue.state()
        may_go_on.set()

        assert meanwhile is before
        assert names(one.result(PATIENCE)) == {"orders"}
    assert names(catalogue.state()) == {"orders"}


def test_threads_that_come_first_together_read_once(project: Project) -> None:
    project.catalog.unlink()
    catalogue = project.catalogue()
    with ThreadPoolExecutor(8) as threads:
        states = list(threads.map(lambda _: catalogue.state(), range(64)))

    assert len(set(map(id, states))) == 1
    assert project.asked == ["fct_transactions"]


def test_threads_see_whole_catalogues_while_manifests_come_and_go(project: Project) -> None:
    generations = [{f"g{number}_{item}" for item in range(5)} for number in range(20)]
    project.tables = dict.fromkeys((name for names in generations for name in names), COLUMNS)
    project.publish(*map(node, generations[0]))
    catalogue = project.catalogue()
    finished = Event()

    def watch(_: int) -> list[set[str]]:
        seen = [names(catalogue.state())]
        while not finished.is_set():
            seen.append(names(catalogue.state()))
        return seen

    with ThreadPoolExecutor(4) as threads:
        watching = [threads.submit(watch, number) for number in range(4)]
        for generation in generations[1:]:
            project.publish(*map(node, generation))
            assert catalogue.state().stale is None
            project.manifest.write_bytes(b"{")
        finished.set()
        seen = [found for watcher in watching for found in watcher.result(PATIENCE)]

    assert all(found in generations for found in seen)
    project.publish(*map(node, generations[-1]))
    assert names(catalogue.state()) == generations[-1]
