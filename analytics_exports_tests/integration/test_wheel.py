"""The wheel: it has everything the service needs, and a client needs nothing of the server."""

import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from analytics_exports_tests.wheels import build_wheel, install

SERVER_PACKAGES = {"dagster", "duckdb", "fastapi", "obstore", "polars", "psycopg", "pyarrow", "sqlalchemy"}
NOT_DEPLOYED = {"analytics_exports.development", "analytics_exports.stack"}
"""What a deployment with a process manager of its own does not need."""

CLIENT = """
from analytics_exports.client import AsyncClient, Client
from analytics_exports.cli import main
"""
SERVICE = """
import analytics_exports.api.app
import analytics_exports.bootstrap.worker
import analytics_exports.cli.users
import analytics_exports.definitions
import analytics_exports.orchestration.resources
import analytics_exports.orchestration.storage
import analytics_exports.orchestration.warm.__main__
import analytics_exports.orchestration.warm.coordinator
import analytics_exports.orchestration.warm.launcher
import analytics_exports.orchestration.warm.runs
"""
UPGRADE = """
from analytics_exports import PROJECT
from analytics_exports.database import migrations
migrations.upgrade_schema(sys.argv[1])
print(PROJECT)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("built"))


@pytest.fixture(scope="module")
def server(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(wheel, tmp_path_factory.mktemp("server") / "venv", ["server"])


def run(python: Path, code: str, *arguments: str) -> str:
    return subprocess.check_output([python, "-I", "-c", f"import sys\n{code}", *arguments], cwd="/", text=True)


def modules_of(python: Path, code: str) -> set[str]:
    """The modules that are imported after the code."""
    return set(json.loads(run(python, f"{code}\nimport json\nprint(json.dumps(list(sys.modules)))")))


def test_it_has_the_projects_files_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    project = {name.removeprefix("analytics_exports/_project/") for name in names if "/_project/" in name}

    assert {"alembic/env.py", "alembic.ini", "dagster.yaml", "workspace.yaml", "deploy/dagster/celery.yaml"} <= project
    assert {"demo/dbt_project.yml", "demo/generate.py", "alembic/versions/0001_users_and_jobs.py"} <= project
    assert "analytics_exports/py.typed" in names
    assert not [name for name in names if name.startswith("analytics_exports_tests")]


def test_a_client_needs_only_what_the_wheel_declares_for_it(wheel: Path, tmp_path: Path) -> None:
    imported = modules_of(install(wheel, tmp_path / "venv"), CLIENT)

    assert "analytics_exports.client" in imported
    assert not SERVER_PACKAGES & imported


def test_a_deployed_service_needs_only_the_server_and_no_tool_of_this_machine(server: Path) -> None:
    imported = modules_of(server, SERVICE)

    assert imported >= SERVER_PACKAGES - {"obstore"}
    assert not NOT_DEPLOYED & imported


def test_the_installed_wheel_brings_a_database_up_to_date(server: Path, database_url: str) -> None:
    shown = Path(run(server, UPGRADE, database_url).strip())

    assert shown.parts[-3:] == ("site-packages", "analytics_exports", "_project")
