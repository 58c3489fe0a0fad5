"""Which nodes of which manifests become datasets."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from analytics_exports.domain.dataset import CatalogueState, dataset_id
from analytics_exports.domain.errors import CatalogueUnavailable
from analytics_exports_tests.data.manifests.handmade import COLUMNS, META, Project, manifest, node, put


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


def offered(project: Project, *nodes: Mapping[str, Any], **changes: Any) -> CatalogueState:
    """The catalogue of these nodes."""
    project.publish(*nodes, **changes)
    return project.catalogue().state()


def names(state: CatalogueState) -> list[str]:
    return [item.name for item in state.datasets.values()]


@pytest.mark.parametrize("version", [9, 10, 11, 12])
def test_these_versions_of_the_schema_are_understood(project: Project, version: int) -> None:
    assert names(offered(project, node(), version=version)) == ["fct_transactions"]


def test_a_key_that_older_versions_do_not_have_is_not_missed(project: Project) -> None:
    old = {key: value for key, value in node().items() if key not in {"primary_key", "constraints", "alias"}}

    assert names(offered(project, old, version=9)) == ["fct_transactions"]


@pytest.mark.parametrize("version", [8, 13, 20, 99999])
def test_another_version_is_refused_with_its_number(project: Project, version: int) -> None:
    project.publish(node(), version=version)
    known = f"version {version}" if version < 10000 else "an unknown version"

    with pytest.raises(CatalogueUnavailable, match=f"manifest.json has {known} of its schema; 9 to 12 are understood"):
        project.catalogue().state()


@pytest.mark.parametrize("schema", ["", "https://schemas.getdbt.com/dbt/catalog/v12.json", "v12"])
def test_a_file_of_another_kind_is_refused(project: Project, schema: str) -> None:
    content = manifest(node())
    put(project.manifest, {**content, "metadata": {**content["metadata"], "dbt_schema_version": schema}})

    with pytest.raises(CatalogueUnavailable, match="an unknown version"):
        project.catalogue().state()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "must be a mapping"),
        (None, "must be a mapping"),
        ({}, "metadata: is missing"),
        ({"metadata": {}, "nodes": []}, "metadata.dbt_schema_version: is missing"),
        ({**manifest(), "nodes": None}, "nodes: is missing"),
        ({**manifest(), "nodes": []}, "nodes: must be a mapping"),
    ],
)
def test_what_dbt_would_not_write_is_refused_with_the_place(project: Project, content: object, message: str) -> None:
    put(project.manifest, content)

    with pytest.raises(CatalogueUnavailable) as refusal:
        project.catalogue().state()

    assert str(refusal.value).startswith("No dataset catalogue could be read yet: manifest.json is not what dbt writes")
    assert message in str(refusal.value)


def test_the_run_that_wrote_the_manifest_is_known(project: Project) -> None:
    state = offered(project, node(), generated_at=datetime(2026, 1, 2, 3, 4))  # noqa: DTZ001 - as dbt may write it

    assert state.generated_at == datetime(2026, 1, 2, 3, 4, tzinfo=UTC)
    assert state.invocation_id == "invocation"


@pytest.mark.parametrize(
    "changes",
    [
        {"config": {"meta": META}, "meta": {}},
        {"config": {"meta": META}, "meta": None},
        {"config": {"meta": META}},
        {"config": None},
        {"config": {"meta": None}},
    ],
)
def test_the_mark_may_stand_in_either_meta(project: Project, changes: Mapping[str, Any]) -> None:
    assert names(offered(project, node(**changes))) == ["fct_transactions"]


@pytest.mark.parametrize(
    "changes",
    [
        {"meta": {}},
        {"meta": {"dataset": False}},
        {"meta": {**META, "dataset": None}},
        {"meta": ["dataset"]},
        {"config": {"meta": {"dataset": False}}},
        {"config": {"enabled": False}},
        {"config": {"materialized": "ephemeral"}},
        {"resource_type": "seed"},
        {"resource_type": "snapshot"},
        {"resource_type": "test"},
        {"resource_type": None},
    ],
)
def test_nodes_that_are_no_marked_models_are_left_out_without_a_word(
    project: Project, changes: Mapping[str, Any]
) -> None:
    state = offered(project, node(**changes))

    assert (state.datasets, state.rejected) == ({}, ())


def test_disabled_models_are_left_out(project: Project) -> None:
    put(project.manifest, {**manifest(), "disabled": {"model.shop.fct_transactions": [node()]}})

    assert project.catalogue().state().datasets == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"meta": {"dataset": "true"}}, "Under meta, dataset: must be true"),
        ({"database": None}, "database: is missing"),
        ({"schema": 1}, "schema: must be text"),
        ({"columns": ["amount"]}, "columns: must be a mapping"),
        ({"columns": {"amount": {"description": "x"}}}, "columns.amount.name: is missing"),
        ({"constraints": [{"columns": ["a"]}]}, "constraints[0].type: is missing"),
    ],
)
def test_a_model_that_cannot_be_understood_does_not_spoil_the_others(
    project: Project, changes: Mapping[str, Any], message: str
) -> None:
    project.tables["orders"] = COLUMNS

    state = offered(project, node("orders"), node(**changes))

    assert names(state) == ["orders"]
    (rejection,) = state.rejected
    assert rejection.name == "fct_transactions"
    assert message in rejection.reason


def test_a_name_that_is_not_even_text_gives_way_to_the_id_of_the_node(project: Project) -> None:
    (rejection,) = offered(project, {**node(), "name": ["x"]}).rejected

    assert rejection.name == "model.shop.fct_transactions"


def test_a_hostile_name_is_printed_safely(project: Project) -> None:
    (rejection,) = offered(project, node("\x1b[31m" + "x" * 1000)).rejected

    assert rejection.name.startswith("\\x1b[31mxxx")
    assert rejection.name.isprintable()
    assert len(rejection.name) < 200


def versions(latest: int, **changes: Any) -> list[dict[str, Any]]:
    """Two versions of one model, each with a table of its own."""
    return [
        node(version=number, latest_version=latest, alias=f"fct_transactions_v{number}", **changes) for number in (1, 2)
    ]


@pytest.mark.parametrize("latest", [1, 2])
def test_of_a_versioned_model_the_latest_version_has_the_name(project: Project, latest: int) -> None:
    project.tables = {"fct_transactions_v1": COLUMNS, "fct_transactions_v2": COLUMNS}

    state = offered(project, *versions(latest))

    assert state.datasets[dataset_id("fct_transactions")].relation.name == f"fct_transactions_v{latest}"
    assert state.rejected == ()


def test_a_mark_on_another_version_alone_is_reported(project: Project) -> None:
    first, _ = versions(2)

    (rejection,) = offered(project, first).rejected

    assert rejection.name == "fct_transactions"
    assert "mark the latest version" in rejection.reason


def test_models_of_two_packages_with_one_name_are_both_refused(project: Project) -> None:
    state = offered(project, node(package_name="shop"), node(package_name="bank"), node("orders", meta={}))

    assert state.datasets == {}
    (rejection,) = state.rejected
    assert rejection.name == "fct_transactions"
    assert "(packages: bank, shop)" in rejection.reason


def test_only_models_that_are_marked_share_a_name(project: Project) -> None:
    assert names(offered(project, node(package_name="shop"), node(package_name="bank", meta={}))) == [
        "fct_transactions"
    ]


def test_rejections_are_in_the_order_of_names(project: Project) -> None:
    state = offered(project, node("c"), node("a", database=None), node("b", package_name="x"), node("b"))

    assert [item.name for item in state.rejected] == ["a", "b", "c"]
