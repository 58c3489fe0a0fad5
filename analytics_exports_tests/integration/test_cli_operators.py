"""``users`` and ``tokens`` on a real database: who may call, as operators decide it."""

import json
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from analytics_exports.cli.app import app
from analytics_exports.database.directory import PostgresDirectory
from analytics_exports.database.users import PostgresUserStore
from analytics_exports.development.postgres import EmbeddedPostgres
from analytics_exports.domain.access import USER_SCOPES, Scope
from analytics_exports.domain.errors import ExportError, InvalidRequest, TokenNotFound, UserNotFound
from analytics_exports.ports import UserExists
from analytics_exports.stack.tcp import free_port
from analytics_exports_tests.scratch import scratch_folder

Run = Callable[..., str]


@pytest.fixture
def run(database_url: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on this test's database; returns what it prints, or raises what it refuses with."""
    monkeypatch.setenv("ANALYTICS_EXPORTS_DATABASE_URL", database_url)
    return printed


def printed(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    if isinstance(result.exception, ExportError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture
def directory(engine: Engine) -> PostgresDirectory:
    return PostgresDirectory(engine)


def test_a_user_and_a_token_let_somebody_in(run: Run, directory: PostgresDirectory) -> None:
    user_id = run("users", "create", "Alice", "--owner-key", "alice-7").strip()
    secret = run("tokens", "create", "Alice").strip()

    principal = directory.authenticate(secret)
    assert principal
    assert (str(principal.user_id), principal.owner_key, principal.scopes) == (user_id, "alice-7", USER_SCOPES)


def test_the_owner_key_is_the_id_unless_it_is_said(run: Run) -> None:
    user_id = uuid4()
    said = json.loads(run("users", "create", "Bob", "--id", str(user_id), "--json"))

    assert (said["id"], said["owner_key"]) == (str(user_id), str(user_id))


def test_users_are_listed_by_label(run: Run) -> None:
    assert run("users", "list") == "There are no users.\n"
    for label in ("Bob", "Alice"):
        run("users", "create", label)

    assert [item["label"] for item in json.loads(run("users", "list", "--json"))["users"]] == ["Alice", "Bob"]
    lines = run("users", "list").splitlines()
    assert lines[0].split() == ["id", "label", "owner", "key", "created", "disabled"]
    assert [line.split()[1] for line in lines[1:]] == ["Alice", "Bob"]


def test_a_user_is_named_by_id_owner_key_or_label(run: Run) -> None:
    user_id = run("users", "create", "Alice", "--owner-key", "alice-7").strip()
    for name in (user_id, "alice-7", "Alice"):
        assert run("tokens", "create", name).startswith("aex_")


def test_a_name_that_fits_two_fits_none(run: Run) -> None:
    run("users", "create", "Alice")
    run("users", "create", "Alice")
    with pytest.raises(UserNotFound, match="take the id"):
        run("tokens", "create", "Alice")


def test_an_owner_key_belongs_to_one_user(run: Run) -> None:
    run("users", "create", "Alice", "--owner-key", "a")
    with pytest.raises(UserExists):
        run("users", "create", "Bob", "--owner-key", "a")


def test_a_disabled_user_is_out_until_enabled(run: Run, directory: PostgresDirectory) -> None:
    run("users", "create", "Alice")
    secret = run("tokens", "create", "Alice").strip()

    assert json.loads(run("users", "disable", "Alice", "--json"))["disabled_at"]
    assert directory.authenticate(secret) is None
    assert json.loads(run("users", "list", "--json"))["users"][0]["disabled_at"]

    run("users", "enable", "Alice")
    assert directory.authenticate(secret)


def test_nobody_can_be_disabled_who_is_not_there(engine: Engine) -> None:
    with pytest.raises(UserNotFound):
        PostgresUserStore(engine).find(str(uuid4()))


def test_a_token_is_narrow_and_short_lived_if_asked(run: Run, directory: PostgresDirectory) -> None:
    run("users", "create", "Alice")
    words = ["--name", "report", "--days", "0.5", "--scope", "exports:read", "--scope", "exports:download"]
    said = json.loads(run("tokens", "create", "Alice", *words, "--json"))

    principal = directory.authenticate(said["token"])
    assert principal
    assert principal.scopes == {Scope.EXPORTS_READ, Scope.EXPORTS_DOWNLOAD}
    assert said["name"] == "report"


def test_tokens_are_listed_without_their_secrets(run: Run) -> None:
    run("users", "create", "Alice")
    secret = run("tokens", "create", "Alice", "--name", "report").strip()
    listed = run("tokens", "list", "Alice") + run("tokens", "list", "Alice", "--json")

    assert "report" in listed
    assert secret not in listed
    assert "aex_" not in listed


def test_a_revoked_token_is_refused(run: Run, directory: PostgresDirectory) -> None:
    run("users", "create", "Alice")
    secret = run("tokens", "create", "Alice").strip()
    (token,) = json.loads(run("tokens", "list", "Alice", "--json"))["tokens"]
    run("tokens", "revoke", token["id"])

    assert directory.authenticate(secret) is None
    assert json.loads(run("tokens", "list", "Alice", "--json"))["tokens"][0]["revoked_at"]


def test_a_token_is_replaced_by_one_like_it(run: Run, directory: PostgresDirectory) -> None:
    run("users", "create", "Alice")
    old = json.loads(run("tokens", "create", "Alice", "--name", "report", "--scope", "exports:read", "--json"))
    new = json.loads(run("tokens", "rotate", old["id"], "--overlap", "0", "--days", "1", "--json"))

    assert (new["name"], new["scopes"]) == ("report", ["exports:read"])
    assert directory.authenticate(old["token"]) is None
    assert directory.authenticate(new["token"])


def test_no_token_lives_longer_than_the_settings_allow(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANALYTICS_EXPORTS_TOKEN_DAYS", "7")
    run("users", "create", "Alice")
    with pytest.raises(InvalidRequest):
        run("tokens", "create", "Alice", "--days", "8")


def test_the_schema_of_the_database_is_named(run: Run) -> None:
    revision = run("db", "upgrade").strip()

    assert json.loads(run("db", "upgrade", "--json")) == {"revision": revision}


def test_a_token_that_is_not_there_cannot_be_revoked(run: Run) -> None:
    with pytest.raises(TokenNotFound):
        run("tokens", "revoke", str(uuid4()))


def test_the_embedded_database_is_started_or_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one command writes while nothing runs, another finds while the stack does."""
    with scratch_folder() as state:
        port = free_port()
        monkeypatch.setenv("ANALYTICS_EXPORTS_STATE_DIR", str(state))
        monkeypatch.setenv("ANALYTICS_EXPORTS_POSTGRES_PORT", str(port))
        user_id = UUID(printed("users", "create", "Alice").strip())
        with EmbeddedPostgres(Path(state, "postgres"), port):
            listed = json.loads(printed("users", "list", "--json"))["users"]

    assert [UUID(item["id"]) for item in listed] == [user_id]
