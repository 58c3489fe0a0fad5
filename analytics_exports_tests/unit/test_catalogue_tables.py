"""Where column types come from, and what happens while the warehouse is unavailable."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from analytics_exports.catalogue.catalogue import RETRY_SECONDS
from analytics_exports.domain.dataset import CatalogueState, Dataset
from analytics_exports.domain.errors import InternalFailure, WarehouseBusy, WarehouseUnavailable
from analytics_exports_tests.data.manifests.handmade import COLUMNS, Project, catalog, node, put

LIVE: Mapping[str, str] = {**COLUMNS, "only_in_the_warehouse": "INTEGER"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path, LIVE)
    project.publish(node())
    return project


def only(state: CatalogueState) -> Dataset:
    (found,) = state.datasets.values()
    return found


def types(state: CatalogueState) -> Mapping[str, str]:
    return {column.name: column.type for column in only(state).columns}


def test_without_a_catalog_the_warehouse_is_asked_once(project: Project) -> None:
    catalogue = project.catalogue()

    assert types(catalogue.state()) == LIVE
    project.now += 10 * RETRY_SECONDS
    catalogue.state()
    assert project.asked == ["fct_transactions"]


def test_a_catalog_as_new_as_the_manifest_suffices(project: Project) -> None:
    upper = {name.upper(): of for name, of in COLUMNS.items()}
    put(project.catalog, catalog(upper))

    assert types(project.catalogue().state()) == upper
    assert project.asked == []


def test_columns_are_in_the_order_of_the_table(project: Project) -> None:
    content = catalog(COLUMNS)
    columns = content["nodes"]["model.shop.fct_transactions"]["columns"]
    content["nodes"]["model.shop.fct_transactions"]["columns"] = dict(reversed(columns.items()))
    put(project.catalog, content)

    assert list(types(project.catalogue().state())) == list(COLUMNS)


def test_an_older_catalog_gives_way_to_the_warehouse(project: Project) -> None:
    put(project.catalog, catalog(COLUMNS, age=timedelta(seconds=1)))

    assert types(project.catalogue().state()) == LIVE


def test_a_catalog_that_does_not_have_the_model_gives_way_too(project: Project) -> None:
    put(project.catalog, catalog(COLUMNS, "orders"))
    assert types(project.catalogue().state()) == LIVE

    put(project.catalog, catalog({}))
    assert types(project.catalogue().state()) == LIVE


def test_a_view_is_looked_at_by_the_warehouse(project: Project) -> None:
    put(project.catalog, catalog(COLUMNS, kind="VIEW"))

    assert types(project.catalogue().state()) == LIVE


def test_the_collation_of_an_owner_is_seen_by_the_warehouse(project: Project) -> None:
    put(project.catalog, catalog({**COLUMNS, "user_id": "VARCHAR"}))
    project.tables["fct_transactions"] = {**COLUMNS, "user_id": "VARCHAR COLLATE nocase"}

    (rejection,) = project.catalogue().state().rejected

    assert "user_id has the type VARCHAR COLLATE nocase" in rejection.reason


@pytest.mark.parametrize("trouble", [WarehouseUnavailable(), WarehouseBusy()])
def test_while_the_warehouse_is_away_any_catalog_is_better_than_none(project: Project, trouble: WarehouseBusy) -> None:
    put(project.catalog, catalog(COLUMNS, age=timedelta(days=1)))
    project.trouble = trouble
    catalogue = project.catalogue()

    assert types(catalogue.state()) == COLUMNS
    project.trouble = None
    project.now += RETRY_SECONDS
    assert types(catalogue.state()) == LIVE


def test_types_that_nobody_could_tell_are_asked_for_again(project: Project) -> None:
    project.trouble = WarehouseUnavailable()
    catalogue = project.catalogue()

    (rejection,) = catalogue.state().rejected
    assert "the warehouse is away, and catalog.json does not have the model" in rejection.reason

    project.trouble = None
    assert catalogue.state().rejected, "not at every call"
    project.now += RETRY_SECONDS
    assert types(catalogue.state()) == LIVE
    assert catalogue.state().rejected == ()


def test_a_warehouse_that_is_away_is_asked_once_in_a_look_not_once_a_model(project: Project) -> None:
    project.publish(node("a"), node("b"), node("c"))
    project.trouble = WarehouseBusy()

    assert len(project.catalogue().state().rejected) == 3
    assert project.asked == ["a"]


def test_a_new_manifest_during_a_build_keeps_the_last_known_columns(project: Project) -> None:
    catalogue = project.catalogue()
    catalogue.state()
    project.trouble = WarehouseBusy()
    project.publish(node(description="New."))

    assert only(catalogue.state()).description == "New."
    assert types(catalogue.state()) == LIVE

    project.trouble = None
    project.tables["fct_transactions"] = COLUMNS
    project.now += RETRY_SECONDS
    assert types(catalogue.state()) == COLUMNS


def test_a_table_that_is_built_later_appears_without_a_new_manifest(project: Project) -> None:
    project.publish(node(), node("orders"))
    catalogue = project.catalogue()

    (rejection,) = catalogue.state().rejected
    assert (rejection.name, rejection.reason) == (
        "orders",
        "The warehouse has no such table; build the model with dbt.",
    )

    project.tables["orders"] = COLUMNS
    project.now += RETRY_SECONDS
    assert catalogue.state().rejected == ()
    assert project.asked.count("fct_transactions") == 1


def test_a_view_that_cannot_be_read_is_one_rejection(project: Project) -> None:
    catalogue = project.catalogue()
    project.trouble = InternalFailure()

    (rejection,) = catalogue.state().rejected

    assert rejection.reason == "Its table cannot be read; a view of files outside the warehouse has to be a table."
    project.trouble = None
    project.now += RETRY_SECONDS
    assert types(catalogue.state()) == LIVE


@pytest.mark.parametrize("entry", [[], {"columns": []}, {"columns": {"a": {}}}, {"columns": {"a": {"name": "a"}}}])
def test_an_entry_that_dbt_would_not_write_is_one_rejection(project: Project, entry: object) -> None:
    project.publish(node(), node("orders"))
    put(project.catalog, {**catalog(COLUMNS), "nodes": {"model.shop.orders": entry or [1]}})

    state = project.catalogue().state()

    assert only(state).name == "fct_transactions"
    assert [item.name for item in state.rejected] == ["orders"]
