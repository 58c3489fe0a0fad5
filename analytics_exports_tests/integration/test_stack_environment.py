"""The environment of child processes, with which Dagster's configuration at the top of the repository works."""

from pathlib import Path

import psycopg
import pytest
from dagster import DagsterInstance
from dagster._core.run_coordinator import DefaultRunCoordinator
from dagster._core.storage.noop_compute_log_manager import NoOpComputeLogManager
from sqlalchemy import make_url

from analytics_exports.orchestration.warm.launcher import WarmRunLauncher
from analytics_exports.settings import PREFIX, Settings
from analytics_exports.stack.environment import child_environment, dagster_url

URL = "postgresql://export:secret@127.0.0.1:5433/analytics_exports"


@pytest.mark.parametrize(
    "given", [URL, URL.replace("postgresql:", "postgresql+psycopg:"), f"{URL}?connect_timeout=3&options=-cjit%3Doff"]
)
def test_dagster_gets_the_same_database_by_its_own_driver_and_schema(given: str) -> None:
    before, after = make_url(given), make_url(dagster_url(given))

    assert after.drivername == "postgresql+psycopg2"
    assert after.query["options"] == f"{before.query.get('options', '')} -csearch_path=dagster".strip()
    assert after.query.get("connect_timeout") == before.query.get("connect_timeout")
    assert (after.username, after.password, after.host, after.port, after.database) == (
        before.username,
        before.password,
        before.host,
        before.port,
        before.database,
    )


def test_children_see_the_same_settings_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(state_dir=Path("state"), api_port=9000, retention_hours=1.5, dbt_catalog=Path("c.json"))
    here = Path.cwd()
    variables = {k: v for k, v in child_environment(settings, URL).items() if k.startswith(PREFIX)}
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    seen = Settings()

    assert seen.model_copy(update={"database_url": None}) == settings.model_copy(
        update={
            name: here / getattr(settings, name) for name in ("state_dir", "dbt_manifest", "dbt_catalog", "warehouse")
        }
    )
    assert seen.database_url == URL


def test_children_use_compiled_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")

    assert "PYTHONDONTWRITEBYTECODE" not in child_environment(Settings(), URL)


def test_the_instance_keeps_everything_in_its_own_schema(
    database_url: str, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in child_environment(Settings(state_dir=tmp_path), database_url).items():
        monkeypatch.setenv(name, value)
    with psycopg.connect(database_url) as connection:
        before = tables(connection, "public")
        with DagsterInstance.from_config(str(repository)) as instance:
            instance.add_dynamic_partitions("exports", ["a"])
            assert instance.get_dynamic_partitions("exports") == ["a"]
            assert not instance.telemetry_enabled
            assert not instance.run_retries_enabled
            assert instance.run_monitoring_enabled
            assert isinstance(instance.run_coordinator, DefaultRunCoordinator)
            assert isinstance(instance.run_launcher, WarmRunLauncher)
            assert isinstance(instance.compute_log_manager, NoOpComputeLogManager)
        assert {"runs", "event_logs", "jobs"} <= tables(connection, "dagster")
        assert tables(connection, "public") == before


def tables(connection: psycopg.Connection, schema: str) -> set[str]:
    rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [schema])
    return {row[0] for row in rows}
