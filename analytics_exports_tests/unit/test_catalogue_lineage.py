"""How datasets came about, as the manifest says, and the assets that show it."""

import json
from pathlib import Path
from typing import Any

import pytest

from analytics_exports.catalogue.lineage import read_lineage
from analytics_exports.orchestration.lineage import datasets, dbt_assets, dbt_key


def node(name: str, *parents: str, kind: str = "model", **more: Any) -> dict[str, Any]:
    return {"name": name, "resource_type": kind, "depends_on": {"nodes": list(parents)}, **more}


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    marked = {"config": {"meta": {"dataset": True}}}
    nodes = {
        "model.p.stg": node("stg", "source.p.raw.events", "macro.p.m"),
        "model.p.fct": node("fct", "model.p.stg", "test.p.t", columns={"day": {"name": "day", "description": "When."}}),
        "model.p.unused": node("unused", "model.p.stg"),
        "test.p.t": node("t", "model.p.unused", kind="test"),
    }
    nodes["model.p.fct"] |= marked
    sources = {"source.p.raw.events": {"name": "events", "resource_type": "source", "source_name": "raw"}}
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"nodes": nodes, "sources": sources}), encoding="utf-8")
    return path


def test_a_dataset_and_what_it_was_made_from_are_nodes(manifest: Path) -> None:
    found = {node.path: node for node in read_lineage(manifest)}

    assert set(found) == {("fct",), ("stg",), ("raw", "events")}
    assert found["fct",].parents == (("stg",),)
    assert found["stg",].parents == (("raw", "events"),)
    assert (found["fct",].is_dataset, found["stg",].is_dataset) == (True, False)
    assert found["fct",].columns == {"day": "When."}


def test_nodes_are_assets_with_the_same_edges(manifest: Path) -> None:
    specs = dbt_assets(manifest)

    assert {spec.key: [dep.asset_key for dep in spec.deps] for spec in specs} == {
        dbt_key("fct"): [dbt_key("stg")],
        dbt_key("stg"): [dbt_key("raw", "events")],
        dbt_key("raw", "events"): [],
    }
    assert datasets(specs) == [dbt_key("fct")]


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"nodes": []}', '{"nodes": {"a": 1}, "sources": {}}'])
def test_what_is_no_manifest_shows_nothing(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "manifest.json"
    if content is not None:
        path.write_text(content, encoding="utf-8")

    assert list(read_lineage(path)) == []
