"""The embedded PostgreSQL: data and passwords, busy ports, and every way in which its owner can end."""

import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy

from analytics_exports.development.postgres import EmbeddedPostgres
from analytics_exports.development.privileges import SHARED_ROOT
from analytics_exports.stack.environment import dagster_url
from analytics_exports.stack.errors import AlreadyRunning, PortBusy
from analytics_exports.stack.supervisor import Supervisor
from analytics_exports.stack.tcp import LOOPBACK, free_port
from analytics_exports_tests.scratch import scratch_folder

OWNER = """
import sys
from pathlib import Path
from analytics_exports.development.postgres import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), durable=False)
server.start()
print(server.pid, server.url, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def home() -> Iterator[Path]:
    with scratch_folder() as folder:
        yield folder / "postgres"


@pytest.fixture(scope="module")
def shared() -> Iterator[EmbeddedPostgres]:
    """A durable server for tests that leave it as it was."""
    with scratch_folder() as folder, EmbeddedPostgres(folder / "postgres") as server:
        yield server


def value(url: str, query: str) -> object:
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(query.encode()).fetchone()
    return row[0] if row else None


def remember(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 'of value' AS what")


def test_it_keeps_its_data_and_its_password(home: Path) -> None:
    with EmbeddedPostgres(home) as server:
        first = server.url
        remember(first)
    with EmbeddedPostgres(home) as server:
        assert value(server.url, "SELECT what FROM kept") == "of value"
        assert first.rsplit(":", 1)[0] == server.url.rsplit(":", 1)[0]


def test_both_drivers_log_in_with_the_password_and_nobody_without(shared: EmbeddedPostgres) -> None:
    engine = sqlalchemy.create_engine(dagster_url(shared.url))
    with engine.connect() as connection:
        assert connection.scalar(sqlalchemy.text("SELECT current_user")) == "export"
        assert connection.dialect.driver == "psycopg2"
    engine.dispose()
    assert value(shared.url, "SELECT current_user") == "export"
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(shared.url.replace("export:", "export:x"))


def test_its_settings(shared: EmbeddedPostgres) -> None:
    assert value(shared.url, "SHOW fsync") == "on"
    assert value(shared.url, "SHOW max_connections") == "200"
    assert value(shared.url, "SHOW listen_addresses") == LOOPBACK
    assert value(shared.url, "SHOW unix_socket_directories") == ""
    assert value(shared.url, "SHOW server_encoding") == "UTF8"
    assert value(shared.url, "SHOW data_checksums") == "on"
    assert value(shared.url, "SELECT upper('é') || ('Z' < 'a')") == "Étrue"


def test_only_a_throw_away_server_skips_fsync(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False) as server:
        assert value(server.url, "SHOW fsync") == "off"


def test_its_files_are_for_its_account_alone(shared: EmbeddedPostgres) -> None:
    folder = shared.log.parent
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "password").stat().st_mode) == 0o600


def test_another_database_can_be_copied_from_a_template(shared: EmbeddedPostgres) -> None:
    shared.create_database("model")
    remember(shared.url_of("model"))
    shared.create_database("copy", template="model")
    shared.create_database("copy")
    assert value(shared.url_of("copy"), "SELECT what FROM kept") == "of value"


def test_a_folder_has_one_owner(shared: EmbeddedPostgres) -> None:
    with pytest.raises(AlreadyRunning):
        EmbeddedPostgres(shared.log.parent).start()
    assert value(shared.url, "SELECT 1") == 1


def test_it_starts_again_after_its_server_was_killed(home: Path) -> None:
    server = EmbeddedPostgres(home)
    server.start()
    remember(server.url)
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    with server:
        assert value(server.url, "SELECT what FROM kept") == "of value"


def test_a_supervisor_starts_it_again_at_the_same_address(home: Path) -> None:
    server, said = EmbeddedPostgres(home, free_port()), list[str]()
    supervisor = Supervisor(said.append)
    try:
        supervisor.start(server)
        url = server.url
        remember(url)
        os.kill(server.pid, signal.SIGKILL)
        os.waitid(os.P_PID, server.pid, os.WEXITED | os.WNOWAIT)
        supervisor.check()
        assert value(url, "SELECT what FROM kept") == "of value"
    finally:
        supervisor.stop()
    assert "PostgreSQL died (SIGKILL)" in said[0]


def test_it_starts_again_after_its_owner_was_killed(home: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, home], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with owner:
        assert owner.stdout is not None
        _, url = owner.stdout.readline().split()
        remember(url)
        owner.kill()
    with EmbeddedPostgres(home, durable=False) as server:
        assert value(server.url, "SELECT what FROM kept") == "of value"


def test_a_server_that_outlived_its_owner_is_stopped_first(home: Path) -> None:
    owner = EmbeddedPostgres(home, durable=False)
    owner.start()
    remember(owner.url)
    (home / "lock").unlink()  # as if the owner were gone: nobody holds the lock any more
    with EmbeddedPostgres(home, durable=False) as server:
        assert owner.exit_code == 0
        assert value(server.url, "SELECT what FROM kept") == "of value"
    owner.stop()


def test_a_pid_file_that_names_a_stranger_does_not_matter(home: Path) -> None:
    with EmbeddedPostgres(home, durable=False) as server:
        remember(server.url)
    (home / "data" / "postmaster.pid").write_text(f"{os.getppid()}\n{home}/data\n0\n1\n\n{LOOPBACK}\n")
    with EmbeddedPostgres(home, durable=False) as server:
        assert value(server.url, "SELECT what FROM kept") == "of value"


def test_a_set_up_that_was_interrupted_is_done_again(home: Path) -> None:
    (home / "data.new" / "base").mkdir(parents=True)
    with EmbeddedPostgres(home, durable=False) as server:
        assert value(server.url, "SELECT 1") == 1


def test_a_busy_port_is_named_and_left_alone(home: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortBusy, match=f"Port {port} .*ANALYTICS_EXPORTS_POSTGRES_PORT"):
            EmbeddedPostgres(home, port, durable=False).start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root runs the server under another account")
def test_as_root_a_private_folder_is_not_opened_up(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    folder = private / "postgres"
    try:
        for _ in range(2):
            with EmbeddedPostgres(folder, durable=False) as server:
                assert value(server.url, "SELECT 1") == 1
        assert stat.S_IMODE(private.stat().st_mode) == 0o700
        assert folder.resolve().parent == SHARED_ROOT
    finally:
        shutil.rmtree(folder.resolve())
