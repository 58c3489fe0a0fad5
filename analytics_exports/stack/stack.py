"""The whole service on this machine: the API, Dagster's processes, and PostgreSQL unless the settings name a server.

    with running_stack(settings, say) as stack:
        stack.supervisor.run()

Keeping a process alive belongs to ``supervisor``, the demonstration's data to ``development.demo``.
"""

import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from analytics_exports import PROJECT
from analytics_exports.bootstrap.adapters import make_artifact_store
from analytics_exports.contract import BASE_PATH
from analytics_exports.database.migrations import upgrade_schema
from analytics_exports.settings import PREFIX, Settings
from analytics_exports.stack.environment import CODE_SERVER_STOP_SECONDS, MARK, child_environment, dagster_home
from analytics_exports.stack.leftovers import marked, stop_processes
from analytics_exports.stack.locks import FolderLock
from analytics_exports.stack.processes import ManagedProcess, Program
from analytics_exports.stack.supervisor import DatabaseServer, Supervisor
from analytics_exports.stack.tcp import LOOPBACK, answers, require_free

REMOTE_RUNS = Path("deploy") / "dagster" / "celery.yaml"
DEFINITIONS = "analytics_exports.definitions"
CODE_LOCATION = "analytics_exports"
API = "analytics_exports.api.app:create_app"
QUIET = ("--no-access-log", "--no-server-header")
RUN_WORKERS = "analytics_exports.orchestration.warm"
RUN_WORKERS_STOP_SECONDS = 5
"""Time for marking runs as failed that did not end by themselves, in seconds."""

SPARE_WORKERS = 12
"""Threads of the code server besides those that waiting sensors occupy."""

HTTP_SECONDS = 2.0


class Stack:
    """The processes of the service, in one state folder."""

    def __init__(
        self,
        settings: Settings,
        say: Callable[[str], None],
        database: DatabaseServer | None = None,
        extra_environment: Mapping[str, str] | None = None,
    ) -> None:
        """Describe the stack; nothing is touched before ``start_database``.

        Args:
            settings: Ports, folders and the rest.
            say: Called with messages for people.
            database: A server to start and stop with the rest; ``None`` for the one that the settings name.
            extra_environment: Variables for every process besides the settings.
        """
        self.settings = settings
        self.state = settings.state_dir.absolute()
        self.logs = self.state / "logs"
        self.supervisor = Supervisor(say)
        self.database_url = settings.database_url or ""
        self._database = database
        self._extra_environment = dict(extra_environment or {})
        self._lock = FolderLock(self.state)

    @property
    def api_url(self) -> str:
        """URL of the API."""
        return f"http://{self.settings.api_host}:{self.settings.api_port}"

    @property
    def dagster_ui_url(self) -> str:
        """URL of Dagster's web page."""
        return f"http://{LOOPBACK}:{self.settings.dagster_ui_port}"

    def start_database(self) -> None:
        """Lock the state folder, stop what a killed stack left, start PostgreSQL if it is ours, and migrate.

        Raises:
            AlreadyRunning: Another stack uses the state folder.
            PortBusy: One of the ports is in use.
            PostgresFailed: PostgreSQL did not start.
        """
        self.state.mkdir(mode=0o711, parents=True, exist_ok=True)
        self._lock.acquire()
        stop_processes(marked(MARK, str(self.state)))
        for port, setting in self._ports().items():
            require_free(port, f"{PREFIX}{setting}")
        if self._database is not None:
            self.supervisor.start(self._database)
            self.database_url = self._database.url
        upgrade_schema(self.database_url)

    def start_services(self) -> None:
        """Start Dagster and the API concurrently, and wait until all are ready.

        Raises:
            ServiceFailed: One of them did not become ready.
        """
        if not self.settings.artifact_store:  # a configured folder may be an unmounted volume
            make_artifact_store(self.settings).prepare()
        home = dagster_home(self.settings)
        home.mkdir(exist_ok=True)
        remote = bool(self.settings.broker_url)
        shutil.copyfile(PROJECT / (REMOTE_RUNS if remote else "dagster.yaml"), home / "dagster.yaml")
        workers = () if remote else (self._run_workers(),)
        services = (self._code_server(), *workers, self._api(), self._webserver(), self._daemon())
        self.supervisor.start(*services)

    def stop(self) -> None:
        """Stop everything and release the state folder."""
        self.supervisor.stop()
        self._lock.release()

    def _ports(self) -> dict[int, str]:
        settings = self.settings
        return {
            settings.api_port: "API_PORT",
            settings.dagster_ui_port: "DAGSTER_UI_PORT",
            settings.code_server_port: "CODE_SERVER_PORT",
        }

    def _code_server(self) -> ManagedProcess:
        port = self.settings.code_server_port
        workers = self.settings.launch_sensors + SPARE_WORKERS
        program = self._python(
            "code-server",
            *("-m", "dagster", "api", "grpc", "--module-name", DEFINITIONS, "--location-name", CODE_LOCATION),
            *("--host", LOOPBACK, "--port", str(port), "--max-workers", str(workers)),
            "--use-python-environment-entry-point",
            stop_seconds=CODE_SERVER_STOP_SECONDS,  # a longer stop would wait for the sensors
        )
        # It listens only once the definitions are loaded, and ends when they cannot be.
        return ManagedProcess(
            "code server", program, partial(answers, port), port=port, setting=f"{PREFIX}CODE_SERVER_PORT"
        )

    def _run_workers(self) -> ManagedProcess:
        seconds = self.settings.run_drain_seconds + RUN_WORKERS_STOP_SECONDS
        program = self._python("run-workers", "-m", RUN_WORKERS, stop_seconds=seconds)
        return ManagedProcess("run workers", program, lambda: True)  # a launch waits for them

    def _api(self) -> ManagedProcess:
        host, port = self.settings.api_host, self.settings.api_port
        program = self._python("api", "-m", "uvicorn", "--factory", API, "--host", host, "--port", str(port), *QUIET)
        return ManagedProcess(
            "API",
            program,
            partial(_serves, host, port, f"{BASE_PATH}/openapi.json"),
            port=port,
            setting=f"{PREFIX}API_PORT",
        )

    def _webserver(self) -> ManagedProcess:
        port = self.settings.dagster_ui_port
        arguments = ("-w", str(PROJECT / "workspace.yaml"), "--host", LOOPBACK, "--port", str(port))
        program = self._python("dagster-webserver", "-m", "dagster_webserver", *arguments)
        return ManagedProcess(
            "Dagster UI",
            program,
            partial(_serves, LOOPBACK, port, "/server_info"),
            port=port,
            setting=f"{PREFIX}DAGSTER_UI_PORT",
        )

    def _daemon(self) -> ManagedProcess:
        # A longer stop would wait for the sensors, which wait for exports. The code server stops at the same moment:
        # a tick that continued without the daemon would lease exports that nobody launches.
        arguments = ("-m", "dagster._daemon", "run", "-w", str(PROJECT / "workspace.yaml"))
        program = self._python("dagster-daemon", *arguments, stop_seconds=CODE_SERVER_STOP_SECONDS)
        return ManagedProcess("Dagster daemon", program, lambda: True)

    def _python(self, name: str, *arguments: str, stop_seconds: float = 10) -> Program:
        return Program(
            arguments=[sys.executable, *arguments],
            environment=child_environment(self.settings, self.database_url) | self._extra_environment,
            folder=PROJECT,
            log=self.logs / f"{name}.log",
            stop_seconds=stop_seconds,
        )


@contextmanager
def running_stack(
    settings: Settings, say: Callable[[str], None], database: DatabaseServer | None = None
) -> Iterator[Stack]:
    """The running stack; stopped at the end of the block, however it is left."""
    stack = Stack(settings, say, database)
    try:
        stack.start_database()
        stack.start_services()
        yield stack
    finally:
        stack.stop()


def _serves(host: str, port: int, path: str) -> bool:
    connection = HTTPConnection(host, port, timeout=HTTP_SECONDS)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200  # noqa: PLR2004
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()
