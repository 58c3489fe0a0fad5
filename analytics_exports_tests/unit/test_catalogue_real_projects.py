"""Manifests of public dbt projects, as their authors wrote them, with models marked on a copy.

They are not part of the repository: ANALYTICS_EXPORTS_TEST_MANIFESTS names the folder that holds one folder for each
project; without it these tests look beside the repository, and skip when there is nothing.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from analytics_exports.catalogue import DbtCatalogue
from analytics_exports.domain.dataset import CatalogueState, Column, Relation
from analytics_exports.domain.errors import WarehouseUnavailable

VARIABLE = "ANALYTICS_EXPORTS_TEST_MANIFESTS"
PIECES = 40


def load(repository: Path, project: str, file: str) -> dict[str, Any]:
    """A file of a project; skips when it is not there."""
    folder = Path(os.environ.get(VARIABLE) or repository.parent / "shared" / "data" / "manifests")
    path = folder / project / file
    if not path.is_file():
        pytest.skip(f"There is no {project}/{file}; set {VARIABLE} to the folder of manifests.")
    content = orjson.loads(path.read_bytes())
    assert isinstance(content, dict)
    return content


def models(manifest: dict[str, Any]) -> Iterator[dict[str, Any]]:
    return (node for node in manifest["nodes"].values() if node["resource_type"] == "model")


def away(relation: Relation) -> tuple[Column, ...] | None:
    raise WarehouseUnavailable


class Orders:
    """One model of the small project, offered with its real types from catalog.json."""

    def __init__(self, repository: Path, folder: Path) -> None:
        manifest = load(repository, "jaffle_shop_duckdb", "manifest.json")
        catalog = load(repository, "jaffle_shop_duckdb", "catalog.json")
        filters = {
            "date_column": "ORDER_DATE",
            "account_id_column": "Order_Id",
            "enum_filters": [{"name": "status", "options": ["placed", "returned"]}],
            "numeric_filters": [{"name": "amount"}],
        }
        node = manifest["nodes"]["model.jaffle_shop.orders"]
        node["config"]["meta"] = {"dataset": True, "filters": filters}
        column = catalog["nodes"]["model.jaffle_shop.orders"]["columns"].pop("customer_id")
        catalog["nodes"]["model.jaffle_shop.orders"]["columns"]["USER_ID"] = {**column, "name": "USER_ID"}
        manifest["nodes"]["model.jaffle_shop.customers"]["config"]["meta"] = {"dataset": True}
        self.manifest, self.catalog = folder / "manifest.json", folder / "catalog.json"
        self.manifest.write_bytes(orjson.dumps(manifest))
        self.catalog.write_bytes(orjson.dumps(catalog))

    def catalogue(self) -> DbtCatalogue:
        return DbtCatalogue(self.manifest, self.catalog, away)


def test_a_small_project_with_its_catalog(repository: Path, tmp_path: Path) -> None:
    state = Orders(repository, tmp_path).catalogue().state()

    (orders,) = state.datasets.values()
    assert orders.relation == Relation("jaffle_shop", "main", "orders")
    assert orders.owner_column == "USER_ID"
    assert [(column.name, column.type) for column in orders.columns[:4]] == [
        ("order_id", "INTEGER"),
        ("USER_ID", "INTEGER"),
        ("order_date", "DATE"),
        ("status", "VARCHAR"),
    ]
    assert orders.columns[0].description == "This is a unique identifier for an order"
    assert orders.filters.date_column == "order_date"
    assert orders.unique_key == ("order_id",)
    (rejection,) = state.rejected
    assert rejection.name == "customers"
    assert rejection.reason.startswith("The table has no column user_id")


def test_a_small_project_cut_off_anywhere(repository: Path, tmp_path: Path) -> None:
    orders = Orders(repository, tmp_path)
    catalogue = orders.catalogue()
    before = catalogue.state()
    for path in (orders.manifest, orders.catalog):
        whole = path.read_bytes()
        for length in range(0, len(whole), len(whole) // PIECES):
            path.write_bytes(whole[:length])
            assert catalogue.state().stale == f"{path.name} is not whole; run dbt again."
            assert catalogue.state().datasets == before.datasets
        path.write_bytes(whole)
        assert catalogue.state() == before


@pytest.fixture
def large(repository: Path, tmp_path: Path) -> tuple[dict[str, Any], CatalogueState]:
    """A project of 254 models, every one of them marked, and what comes of it."""
    manifest = load(repository, "mattermost", "manifest.json")
    types: dict[Relation, tuple[Column, ...]] = {}
    for node in models(manifest):
        node["meta"] = {"dataset": True}
        columns = [
            Column(name.upper(), "VARCHAR") for name in dict.fromkeys(["user_id", *map(str.lower, node["columns"])])
        ]
        types[Relation(node["database"], node["schema"], node["alias"])] = tuple(columns)
    path = tmp_path / "manifest.json"
    path.write_bytes(orjson.dumps(manifest))
    return manifest, DbtCatalogue(path, tmp_path / "catalog.json", types.get).state()


def test_a_large_project_is_offered_but_for_its_ephemeral_models(
    large: tuple[dict[str, Any], CatalogueState],
) -> None:
    manifest, state = large
    kept = {node["name"] for node in models(manifest) if node["config"]["materialized"] != "ephemeral"}

    assert {dataset.name for dataset in state.datasets.values()} == kept
    assert len(kept) == 219
    assert state.rejected == ()


def test_the_facts_of_a_large_project_are_kept(large: tuple[dict[str, Any], CatalogueState]) -> None:
    manifest, state = large
    nodes = {node["name"]: node for node in models(manifest)}
    for dataset in state.datasets.values():
        node = nodes[dataset.name]
        described = {column["name"].lower(): column["description"] for column in node["columns"].values()}
        assert {column.name.lower(): column.description for column in dataset.columns} == {"user_id": "", **described}
        assert dataset.relation == Relation(node["database"], node["schema"], node["alias"])
        if node["primary_key"]:
            assert [name.lower() for name in dataset.unique_key] == [name.lower() for name in node["primary_key"]]
