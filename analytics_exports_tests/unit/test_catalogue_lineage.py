"""How datasets came about, as the manifest says, and the assets that show it."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from dagster import AssetSpec
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics_exports.catalogue.lineage import read_lineage
from analytics_exports.domain.lineage import Lineage, LineageNode
from analytics_exports.orchestration import build
from analytics_exports.orchestration.build import build_definitions
from analytics_exports.orchestration.lineage import TABLE, dataset_key, datasets, dbt_assets

MARKED: dict[str, Any] = {"config": {"meta": {"dataset": True}}}


def node(name: str, *parents: str, kind: str = "model", **more: Any) -> dict[str, Any]:
    return {"name": name, "resource_type": kind, "depends_on": {"nodes": list(parents)}, **more}


def put(path: Path, nodes: Mapping[str, Any], sources: Mapping[str, Any] | None = None) -> Path:
    path.write_text(json.dumps({"nodes": nodes, "sources": sources or {}}), encoding="utf-8")
    return path


def keys(lineage: Lineage) -> dict[str, LineageNode]:
    return {"/".join(node.key): node for node in lineage.nodes}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    nodes = {
        "model.p.stg": node("stg", "source.p.raw.events", "macro.p.m"),
        "model.p.fct": node(
            "fct",
            "model.p.stg",
            "test.p.t",
            columns={"day": {"name": "day", "description": "When."}},
            schema="marts",
            alias="facts",
            **MARKED,
        ),
        "model.p.unused": node("unused", "model.p.stg"),
        "test.p.t": node("t", "model.p.unused", kind="test"),
    }
    sources = {"source.p.raw.events": node("events", kind="source", source_name="raw")}
    return put(tmp_path / "manifest.json", nodes, sources)


def test_a_dataset_and_what_it_was_made_from_are_nodes(manifest: Path) -> None:
    found = keys(read_lineage(manifest))

    assert set(found) == {"fct", "stg", "raw/events"}
    assert found["fct"].parents == (("stg",),)
    assert found["stg"].parents == (("raw", "events"),)
    assert (found["fct"].is_dataset, found["stg"].is_dataset) == (True, False)
    assert (found["fct"].columns, found["fct"].table) == ({"day": "When."}, "marts.facts")


def test_nodes_are_assets_with_the_same_edges(manifest: Path) -> None:
    specs = dbt_assets(read_lineage(manifest))

    assert {spec.key.to_user_string(): [dep.asset_key.to_user_string() for dep in spec.deps] for spec in specs} == {
        "dbt/fct": ["dbt/stg"],
        "dbt/stg": ["dbt/raw/events"],
        "dbt/raw/events": [],
    }
    assert datasets(specs) == [dataset_key("fct")]


def test_of_several_versions_the_latest_has_the_plain_key(tmp_path: Path) -> None:
    versions = {
        f"model.p.dim.v{number}": node("dim", version=number, latest_version=2, **MARKED) for number in (1, 2, 3)
    }

    assert set(keys(read_lineage(put(tmp_path / "m.json", versions)))) == {"dim", "model/p/dim/v1", "model/p/dim/v3"}


def test_of_several_nodes_of_one_name_the_dataset_has_the_plain_key(tmp_path: Path) -> None:
    nodes = {
        "model.a.orders": node("orders", "seed.a.orders", "model.b.orders", **MARKED),
        "model.b.orders": node("orders"),
        "seed.a.orders": node("orders", kind="seed"),
    }
    found = keys(read_lineage(put(tmp_path / "m.json", nodes)))

    assert set(found) == {"orders", "model/b/orders", "seed/a/orders"}
    assert set(found["orders"].parents) == {("model", "b", "orders"), ("seed", "a", "orders")}


def test_datasets_of_one_name_in_two_packages_have_their_ids_as_keys(tmp_path: Path) -> None:
    nodes = {f"model.{package}.orders": node("orders", **MARKED) for package in "ab"}

    assert set(keys(read_lineage(put(tmp_path / "m.json", nodes)))) == {"model/a/orders", "model/b/orders"}


def test_names_that_are_no_identifiers_get_keys_that_are(tmp_path: Path) -> None:
    nodes = {f"model.p.{name}": node(name, **MARKED) for name in ("Größe", "my model", "my_model", "a/b")}
    specs = dbt_assets(read_lineage(put(tmp_path / "m.json", nodes)))

    assert {spec.key for spec in specs} == {dataset_key(name) for name in ("Größe", "my model", "my_model", "a/b")}
    assert all(part.replace("_", "").isalnum() and part.isascii() for spec in specs for part in spec.key.path)


def test_what_is_wrong_with_a_node_or_an_edge_is_a_problem_and_costs_only_that(tmp_path: Path) -> None:
    nodes = {
        "model.p.fct": node("fct", "model.p.a", "model.p.odd", "model.p.missing", **MARKED),
        "model.p.a": node("a", "model.p.b"),
        "model.p.b": node("b", "model.p.a"),
        "model.p.odd": {**node("odd"), "depends_on": 1},
    }
    lineage = read_lineage(put(tmp_path / "m.json", nodes))

    assert set(keys(lineage)) == {"fct", "a", "b"}
    assert sum(len(node.parents) for node in lineage.nodes) == 2
    assert len(lineage.problems) == 2
    assert any("model.p.odd" in problem for problem in lineage.problems)


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"nodes": []}', '{"nodes": {"a": 1}, "sources": {}}'])
def test_what_is_no_manifest_shows_nothing(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "manifest.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")

    assert read_lineage(path) == Lineage()


def test_a_graph_that_dagster_does_not_take_costs_nothing_but_the_graph(
    manifest: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(build, "dbt_assets", lambda _: [AssetSpec("twice", metadata={TABLE: table}) for table in "ab"])
    definitions = build_definitions(read_lineage=partial(read_lineage, manifest))

    assert "export_batch" in definitions.get_repository_def().job_names
    assert "cannot show" in caplog.text


names = st.sampled_from(["a", "b", "a__b", "Größe", "my model", "", ".", "model", "warehouse", "x" * 300]) | st.text(
    max_size=6
)
packages = st.sampled_from(["p", "q"])
versions = st.none() | st.sampled_from([1, 2, "2", 1.5, "final"])


@st.composite
def manifests(draw: st.DrawFn) -> dict[str, Any]:
    """Manifests with names, versions and packages of any kind, edges at random, and nodes that are broken or off."""
    nodes: dict[str, Any] = {}
    sources: dict[str, Any] = {}
    for _ in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(["model", "model", "model", "seed", "snapshot", "source", "test"]))
        name, package, version = draw(names), draw(packages), draw(versions)
        unique_id = ".".join([kind, package, name, *([f"v{version}"] if version is not None else [])])
        content = node(name, kind=kind, package_name=package, version=version, latest_version=draw(versions))
        content["config"] = {"enabled": draw(st.booleans()), "meta": {"dataset": draw(st.booleans())}}
        content["source_name"] = draw(names) if kind == "source" else ""
        content["columns"] = {column: {"name": column} for column in draw(st.lists(names, max_size=2))}
        if draw(st.integers(0, 9)) == 0:
            content[draw(st.sampled_from(list(content)))] = draw(st.none() | st.integers() | st.lists(st.none()))
        (sources if kind == "source" else nodes)[unique_id] = content
    ids = [*nodes, *sources, "model.p.missing"]
    for content in nodes.values():
        content["depends_on"] = {"nodes": draw(st.lists(st.sampled_from(ids), max_size=4))}
    return {"nodes": nodes, "sources": sources}


@settings(deadline=None, max_examples=60)
@given(content=manifests())
def test_definitions_load_with_every_manifest_and_show_what_is_in_it(
    tmp_path_factory: pytest.TempPathFactory, content: dict[str, Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / f"{uuid4().hex}.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    lineage = read_lineage(path)
    definitions = build_definitions(read_lineage=lambda: lineage, launch_sensors=1)
    path.unlink()

    shown = {key.to_user_string() for key in definitions.resolve_all_asset_keys()}
    assert shown >= {f"dbt/{'/'.join(node.key)}" for node in lineage.nodes}
    assert len({node.key for node in lineage.nodes}) == len(lineage.nodes)
