"""``doctor``: what it says of a sound installation, and of each thing that can be wrong."""

import json
import shutil
import socket
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
from sqlalchemy import Engine, delete

from analytics_exports.artifacts import LocalArtifactStore
from analytics_exports.cli.doctor import Finding, Severity, examine, findings_json, findings_text
from analytics_exports.database.models import User
from analytics_exports.database.users import PostgresUserStore
from analytics_exports.settings import Settings
from analytics_exports.stack.tcp import free_port
from analytics_exports_tests.demo_warehouse import built_demo


@pytest.fixture
def sound(tmp_path: Path, database_url: str, engine: Engine) -> Settings:
    PostgresUserStore(engine).add("Alice")
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
        api_port=free_port(),
        dagster_ui_port=free_port(),
        code_server_port=free_port(),
    )


def wrong(settings: Settings) -> dict[str, Finding]:
    return {finding.part: finding for finding in examine(settings) if finding.problem}


def test_a_sound_installation_has_no_findings(sound: Settings) -> None:
    findings = examine(sound)

    assert wrong(sound) == {}
    assert [finding.part for finding in findings] == [
        "manifest",
        "warehouse",
        "artifact_store",
        "disk",
        "database",
        "service",
        "users",
    ]


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"dbt_manifest": Path("missing.json")}, "manifest"),
        ({"warehouse": Path("missing.duckdb")}, "warehouse"),
        ({"artifact_store": "missing"}, "artifact_store"),
        ({"database_url": "postgresql://nobody@127.0.0.1:1/none"}, "database"),
        ({"disk_reserve_bytes": 2**62}, "disk"),
        ({"dbt_project": Path("missing")}, "dbt_project"),
    ],
)
def test_what_is_wrong_has_a_remedy(sound: Settings, change: dict[str, object], part: str) -> None:
    found = wrong(sound.model_copy(update=change))

    assert found[part].remedy
    assert "missing" not in findings_text(list(found.values()))


@pytest.mark.parametrize("setting", ["api_port", "code_server_port"])
def test_a_port_that_somebody_else_has_is_found(sound: Settings, setting: str) -> None:
    with socket.create_server(("127.0.0.1", getattr(sound, setting))) as listener:
        answering = Thread(target=_refuse, args=(listener,), daemon=True)
        answering.start()
        found = wrong(sound)
        listener.shutdown(socket.SHUT_RDWR)
        answering.join()

    assert list(found) == ["service"]
    assert found["service"].remedy


def _refuse(listener: socket.socket) -> None:
    """Take connections and end them, as a program that speaks something else."""
    with suppress(OSError):
        while True:
            listener.accept()[0].close()


def test_nobody_who_could_call_is_found(sound: Settings, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(delete(User))

    assert list(wrong(sound)) == ["users"]


def test_a_model_that_was_left_out_is_named_with_its_reason(sound: Settings) -> None:
    manifest = json.loads(sound.dbt_manifest.read_bytes())
    node = next(node for node in manifest["nodes"].values() if node["name"] == "dim_tags")
    for meta in (node["meta"], node["config"]["meta"]):
        meta["filters"]["tag_id_column"] = "no_such_column"
    sound.dbt_manifest.write_text(json.dumps(manifest), encoding="utf-8")
    found = wrong(sound)

    assert list(found) == ["dataset dim_tags"]
    assert found["dataset dim_tags"].severity is Severity.PROBLEM
    assert json.loads(findings_json(list(found.values())))[0]["problem"] == found["dataset dim_tags"].problem


def test_what_only_the_asset_graph_misses_is_a_warning(sound: Settings) -> None:
    manifest = json.loads(sound.dbt_manifest.read_bytes())
    source = next(iter(manifest["sources"]))
    manifest["sources"][source]["description"] = 1
    sound.dbt_manifest.write_text(json.dumps(manifest), encoding="utf-8")
    (found,) = wrong(sound).values()

    assert (found.part, found.severity) == ("asset graph", Severity.WARNING)
    assert source in str(found.problem)
    assert findings_text([found]).startswith("warning  asset graph")
