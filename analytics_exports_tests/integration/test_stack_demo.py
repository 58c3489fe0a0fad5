"""What makes the demonstration repeatable: tokens are kept while valid, and dbt builds when the project changed."""

import shutil
import stat
from pathlib import Path
from uuid import UUID, uuid4

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import Engine, text

from analytics_exports.database.directory import PostgresDirectory
from analytics_exports.development.demo import create_users, project_version


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    users = [{"id": str(uuid4()), "label": label} for label in ("first", "second")]
    owned = [{"id": str(uuid4()), "user_id": users[0]["id"], "name": "Savings"}]
    for name, rows in (("users", users), ("accounts", owned), ("tags", owned)):
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / f"{name}.parquet")
    return tmp_path


def test_a_token_is_kept_while_it_is_valid(database_url: str, engine: Engine, sources: Path, tmp_path: Path) -> None:
    file = tmp_path / "tokens.json"
    first = create_users(database_url, sources, file)

    assert create_users(database_url, sources, file) == first
    assert stat.S_IMODE(file.stat().st_mode) == 0o600

    with engine.begin() as connection:
        connection.execute(text("UPDATE api_tokens SET revoked_at = now() WHERE user_id = :id"), {"id": first[0].id})
    renewed = create_users(database_url, sources, file)

    assert renewed[0].token != first[0].token
    assert renewed[1:] == first[1:]


def test_a_token_is_its_users_own(database_url: str, engine: Engine, sources: Path, tmp_path: Path) -> None:
    for user in create_users(database_url, sources, tmp_path / "tokens.json"):
        principal = PostgresDirectory(engine).authenticate(user.token)
        assert principal is not None
        assert principal.user_id == user.id
        assert UUID(principal.owner_key) == user.id


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project" / "models").mkdir(parents=True)
    (tmp_path / "project" / "models" / "one.sql").write_text("select 1")
    return tmp_path / "project"


@pytest.mark.parametrize("change", ["content", "name", "addition"])
def test_a_change_of_a_project_is_noticed(project: Path, change: str) -> None:
    before = project_version(project)
    model = project / "models" / "one.sql"
    match change:
        case "content":
            model.write_text("select 2")
        case "name":
            model.rename(model.with_name("two.sql"))
        case "addition":
            shutil.copy(model, model.with_name("two.sql"))

    assert project_version(project) != before


def test_what_dbt_and_python_write_is_no_change(project: Path) -> None:
    before = project_version(project)
    for folder in ("target", "logs", "models/__pycache__"):
        (project / folder).mkdir()
        (project / folder / "file").write_text("written")

    assert project_version(project) == before
