"""No interruption for a migration: the code from before the newest one does all its work on the new schema."""

import os
import shutil
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import pytest

SUITE = "analytics_exports_tests/ports/test_jobs.py"


def git(repository: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", *arguments], cwd=repository, check=True, capture_output=True).stdout


@pytest.fixture
def previous(repository: Path, tmp_path: Path) -> Path:
    """The code from before the newest migration, with the migrations of today."""
    if shutil.which("git") is None or not (repository / ".git").exists():
        pytest.skip("this is not a clone")
    newest = git(repository, "log", "-1", "--format=%H", "--diff-filter=A", "--", "alembic/versions").decode().strip()
    parent = ["git", "cat-file", "-e", f"{newest}^"]
    if subprocess.run(parent, cwd=repository, capture_output=True, check=False).returncode:
        pytest.skip("this clone has no history")
    with tarfile.open(fileobj=BytesIO(git(repository, "archive", f"{newest}^"))) as archive:
        archive.extractall(tmp_path, filter="data")
    shutil.rmtree(tmp_path / "alembic")
    shutil.copytree(repository / "alembic", tmp_path / "alembic")
    return tmp_path


def test_the_previous_code_works_on_the_new_schema(previous: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", SUITE]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    environment["PYTHONPATH"] = str(previous)
    done = subprocess.run(command, cwd=previous, env=environment, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
