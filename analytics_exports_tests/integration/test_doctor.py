"""``doctor``: what it says of a sound installation, and of each thing that can be wrong."""

import json
import shutil
from pathlib import Path

import pytest

from analytics_exports.artifacts import LocalArtifactStore
from analytics_exports.cli.doctor import Finding, as_json, as_text, examine
from analytics_exports.settings import Settings
from analytics_exports_tests.demo_warehouse import built_demo


@pytest.fixture
def sound(tmp_path: Path, database_url: str) -> Settings:
    demo = built_demo()
    store = tmp_path / "files"
    LocalArtifactStore(store, max_bytes=1, reserve_bytes=0).prepare()
    shutil.copy(demo.manifest, tmp_path)
    return Settings(
        state_dir=tmp_path / "state",
        warehouse=demo.warehouse,
        dbt_manifest=tmp_path / "manifest.json",
        dbt_catalog=demo.catalog,
        artifact_store=str(store),
        database_url=database_url,
        disk_reserve_bytes=0,
    )


def wrong(settings: Settings) -> dict[str, Finding]:
    return {finding.part: finding for finding in examine(settings) if finding.problem}


def test_a_sound_installation_has_no_findings(sound: Settings) -> None:
    findings = examine(sound)

    assert wrong(sound) == {}
    assert [finding.part for finding in findings] == ["manifest", "warehouse", "artifact_store", "database"]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"dbt_manifest": Path("missing.json")}, "manifest"),
        ({"warehouse": Path("missing.duckdb")}, "warehouse"),
        ({"artifact_store": "missing"}, "artifact_store"),
        ({"database_url": "postgresql://nobody@127.0.0.1:1/none"}, "database"),
    ],
)
def test_what_is_wrong_has_a_remedy(sound: Settings, change: dict[str, object], part: str) -> None:
    found = wrong(sound.model_copy(update=change))

    assert found[part].remedy
    assert "missing" not in as_text(list(found.values()))


def test_a_model_that_was_left_out_is_named_with_its_reason(sound: Settings) -> None:
    manifest = json.loads(sound.dbt_manifest.read_bytes())
    node = next(node for node in manifest["nodes"].values() if node["name"] == "dim_tags")
    for meta in (node["meta"], node["config"]["meta"]):
        meta["filters"]["tag_id_column"] = "no_such_column"
    sound.dbt_manifest.write_text(json.dumps(manifest), encoding="utf-8")
    found = wrong(sound)

    assert list(found) == ["dataset dim_tags"]
    assert json.loads(as_json(list(found.values())))[0]["problem"] == found["dataset dim_tags"].problem
