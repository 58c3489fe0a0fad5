"""The wheel: it has everything the service needs, and a client needs nothing of the server."""

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterable
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

NEVER = {"dagster", "duckdb", "fastapi", "obstore", "polars", "psycopg", "pyarrow", "sqlalchemy"}

CLIENT = """
import sys
from analytics_exports.client import AsyncClient, Client
from analytics_exports.cli import main
assert Client and AsyncClient and main
print(*{name.partition(".")[0] for name in sys.modules})
"""

SERVER = """
import sys
from analytics_exports import PROJECT
from analytics_exports.database import migrations
migrations.upgrade_schema(sys.argv[1])
print(PROJECT)
"""


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built offline from a copy of the sources, so that nothing is left in the checkout."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=repository, text=True)
    for name in filter(None, listed.split("\0")):
        if (repository / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(repository / name, source / name)
    build = [sys.executable, "-m", "uv", "build", "--wheel", "--offline", "--no-build-isolation", "--quiet"]
    subprocess.run([*build, "--python", sys.executable, "--out-dir", target, source], check=True)
    (built,) = target.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("installed")
    install = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--offline", "--no-deps"]
    subprocess.run([*install, "--target", folder, wheel], check=True)
    return folder


def test_it_has_the_projects_files_and_no_tests(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    project = {name.removeprefix("analytics_exports/_project/") for name in names if "/_project/" in name}

    assert {"alembic/env.py", "alembic.ini", "dagster.yaml", "workspace.yaml", "deploy/dagster/celery.yaml"} <= project
    assert {"demo/dbt_project.yml", "demo/generate.py", "alembic/versions/0001_users_and_jobs.py"} <= project
    assert "analytics_exports/py.typed" in names
    assert not [name for name in names if name.startswith("analytics_exports_tests")]


def test_a_client_needs_only_what_the_wheel_declares_for_it(installed: Path, tmp_path: Path) -> None:
    for name in needed("analytics-exports"):
        link(name, tmp_path)
    paths = f"import sys; sys.path[:0] = [{str(installed)!r}, {str(tmp_path)!r}]\n"
    # -S: nothing of this environment but what is linked
    shown = subprocess.check_output([sys.executable, "-I", "-S", "-c", paths + CLIENT], cwd=tmp_path, text=True)

    assert not NEVER & set(shown.split())


def test_the_installed_wheel_brings_a_database_up_to_date(installed: Path, tmp_path: Path, database_url: str) -> None:
    paths = f"import sys; sys.path.insert(0, {str(installed)!r})\n"
    shown = subprocess.check_output([sys.executable, "-I", "-c", paths + SERVER, database_url], cwd=tmp_path, text=True)

    assert Path(shown.strip()) == installed / "analytics_exports" / "_project"


def needed(name: str) -> set[str]:
    """What a distribution needs without extras, and what that needs."""
    found: set[str] = set()
    waiting = list(direct(name))
    while waiting:
        if (name := waiting.pop()) not in found:
            found.add(name)
            waiting += direct(name)
    return found


def direct(name: str) -> Iterable[str]:
    for text in distribution(name).requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name


def link(name: str, folder: Path) -> None:
    """Make the modules of a distribution importable from ``folder``."""
    for file in distribution(name).files or ():
        top = file.parts[0]
        origin = Path(str(distribution(name).locate_file(top)))
        if top not in ("..", "__pycache__") and not (folder / top).exists():
            (folder / top).symlink_to(origin)
