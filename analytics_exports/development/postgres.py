"""An embedded PostgreSQL server: the binaries of a wheel, supervised by us, reachable over loopback TCP only.

    with EmbeddedPostgres(folder) as server:
        connect(server.url)

The schema belongs to ``database``. The Python code of the package is not used: it keeps servers alive after their
owner, opens parent folders to everybody and trusts every local user. See docs/decisions/0001-embedded-postgresql.md.
"""

import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from analytics_exports.development.binaries import executables
from analytics_exports.development.privileges import private_folder, server_account
from analytics_exports.settings import Settings
from analytics_exports.stack.errors import AlreadyRunning, PostgresFailed
from analytics_exports.stack.leftovers import stop_processes, working_in
from analytics_exports.stack.locks import FolderLock
from analytics_exports.stack.processes import Child, Program, last_line, launched
from analytics_exports.stack.tcp import LOOPBACK, free_port, is_free, require_free

USER = "export"
DATABASE = "analytics_exports"
PORT_SETTING = "ANALYTICS_EXPORTS_POSTGRES_PORT"

START_SECONDS = 60.0
POLL_SECONDS = 0.01
PORT_ATTEMPTS = 5
READY_LINE = 7
"""Line of postmaster.pid, counted from 0, that is ``ready`` once connections are accepted."""

SERVER_OPTIONS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
}
EPHEMERAL_OPTIONS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}
"""For a temporary server: nothing must survive a crash, and nothing lives long enough to be vacuumed."""


class EmbeddedPostgres:
    """A private PostgreSQL server. Everything it keeps is in one folder: data, password and lock."""

    def __init__(self, folder: Path, port: int = 0, *, log: Path | None = None, durable: bool = True) -> None:
        """Describe the server; nothing is touched before ``start``.

        Args:
            folder: Folder of its files; created on first use.
            port: Port on loopback; 0 takes a free one at every start.
            log: Its log file; by default ``server.log`` in ``folder``.
            durable: Whether a committed transaction survives a power cut; without, it starts faster.
        """
        self.name = "PostgreSQL"
        self._folder = folder.absolute()
        self._requested_port = port
        self._log = log or self._folder / "server.log"
        self._durable = durable
        self._account = server_account(self._folder)
        self._port = 0
        self._child: Child | None = None
        self._lock: FolderLock | None = None

    @property
    def url(self) -> str:
        """URL of the application's database, including the password. Known once the server is started."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """URL of any database of this server."""
        return f"postgresql://{USER}:{self._password()}@{LOOPBACK}:{self._port}/{database}"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        if self._child is None:
            raise PostgresFailed("The embedded PostgreSQL is not running.")
        return self._child.pid

    @property
    def log(self) -> Path:
        """Its log file."""
        return self._log

    @property
    def exit_code(self) -> int | None:
        """How the server ended; ``None`` while it runs, and before it was started."""
        return self._child.exit_code if self._child else None

    def is_ready(self) -> bool:
        """Whether it accepts connections: from the moment ``start`` returns until it ends."""
        return self._child is not None and self.exit_code is None

    def start(self) -> None:
        """Set it up if it is new, start it, and wait until it accepts connections.

        Raises:
            AlreadyRunning: Another process owns the folder.
            PortBusy: Another program listens on the port.
            PostgresFailed: It could not be set up or did not start; the message names the log.
        """
        home = private_folder(self._folder, self._account)
        self._lock = FolderLock(home)
        self._lock.acquire()
        try:
            self._initialise()
            self._clear_leftovers()
            self._launch()
            self.create_database(DATABASE)
        except BaseException:
            self.stop()
            raise

    def ask_to_stop(self) -> None:
        """Begin to shut the server down, without waiting."""
        if self._child is not None:
            self._child.ask_to_stop()

    def stop(self) -> None:
        """Shut the server down; open transactions are rolled back. Does nothing when it is not running."""
        if self._child is not None:
            self._child.stop()
            self._child = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def create_database(self, name: str, template: str = "template1") -> None:
        """Create a database, a copy of ``template``, unless it exists."""
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
        with psycopg.connect(self.url_of("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone():
                connection.execute(statement)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def _data(self) -> Path:
        return self._folder.resolve() / "data"

    @property
    def _password_file(self) -> Path:
        return self._folder / "password"

    def _password(self) -> str:
        return self._password_file.read_text(encoding="ascii").strip()

    def _initialise(self) -> None:
        """Create the data folder under another name and rename it, so that an incomplete one is never used."""
        if self._data.exists():
            return
        unfinished = self._data.with_name("data.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        self._write_password()
        locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"]
        access = [f"--username={USER}", "--auth=scram-sha-256", f"--pwfile={self._password_file.resolve()}"]
        # Iterations protect guessable passwords; this one is random, and each connection would pay for them.
        options = [*locale, *access, "--set=scram_iterations=1", *([] if self._durable else ["--no-sync"])]
        program = self._program("initdb", f"--pgdata={unfinished}", *options)
        done = subprocess.run(  # noqa: S603 (no shell, and the program is our own)
            launched(program), env=dict(program.environment), cwd="/", capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise PostgresFailed(f"The embedded PostgreSQL could not be set up: {done.stderr.strip()}")
        unfinished.rename(self._data)

    def _write_password(self) -> None:
        self._password_file.unlink(missing_ok=True)
        self._password_file.touch(mode=0o600)
        self._password_file.write_text(secrets.token_urlsafe(24) + "\n", encoding="ascii")
        if self._account:
            os.chown(self._password_file, self._account.uid, self._account.gid)

    def _clear_leftovers(self) -> None:
        """Stop what a killed owner left behind, and remove its pid file, whose pid may have been reused."""
        pid_file = self._data / "postmaster.pid"
        if pid_file.exists():  # only a clean shutdown removes it
            stop_processes(working_in(self._data), signal.SIGINT)
            pid_file.unlink(missing_ok=True)

    def _launch(self) -> None:
        if self._requested_port:
            require_free(self._requested_port, PORT_SETTING)
        for _ in range(PORT_ATTEMPTS):
            self._port = self._requested_port or free_port()
            options = SERVER_OPTIONS | ({} if self._durable else EPHEMERAL_OPTIONS) | {"port": str(self._port)}
            settings = [argument for name, value in options.items() for argument in ("-c", f"{name}={value}")]
            self._child = Child(self._program("postgres", "-D", str(self._data), *settings))
            if self._becomes_ready():
                return
            if self._requested_port or is_free(self._port):
                break
        raise PostgresFailed(
            f"The embedded PostgreSQL did not start: {last_line(self._log) or 'it gave no reason'} (see {self._log})."
        )

    def _becomes_ready(self) -> bool:
        """Wait for ``ready`` in the server's pid file; false when it ended instead."""
        deadline = time.monotonic() + START_SECONDS
        while self.exit_code is None and time.monotonic() < deadline:
            lines = self._pid_file_lines()
            if len(lines) > READY_LINE and lines[0] == str(self.pid) and lines[READY_LINE].strip() == "ready":
                return True
            time.sleep(POLL_SECONDS)
        return False

    def _pid_file_lines(self) -> list[str]:
        try:
            return (self._data / "postmaster.pid").read_text(encoding="utf-8").split("\n")
        except FileNotFoundError:
            return []

    def _program(self, name: str, *arguments: str) -> Program:
        return Program(
            arguments=[executables(self._account) / name, *arguments],
            environment={"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"},
            folder=Path("/"),
            log=self._log,
            stop_signal=signal.SIGINT,  # PostgreSQL's fast shutdown
            stop_seconds=30,
            account=self._account,
        )


def embedded_postgres(settings: Settings) -> EmbeddedPostgres | None:
    """The server of the state folder, not started; ``None`` when the settings name another server."""
    if settings.database_url:
        return None
    state = settings.state_dir.absolute()
    return EmbeddedPostgres(state / "postgres", settings.postgres_port, log=state / "logs" / "postgres.log")


@contextmanager
def joined_or_started(settings: Settings) -> Iterator[str]:
    """URL of the database of the state folder: of the server that ``serve`` runs, or of one that runs for the block."""
    folder = settings.state_dir / "postgres"
    server = EmbeddedPostgres(folder, settings.postgres_port)
    try:
        server.start()
    except AlreadyRunning:
        password = (folder / "password").read_text(encoding="ascii").strip()
        yield f"postgresql://{USER}:{password}@{LOOPBACK}:{settings.postgres_port}/{DATABASE}"
        return
    try:
        yield server.url
    finally:
        server.stop()
