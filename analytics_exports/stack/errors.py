"""Errors of the local stack before the service runs. Shown to whoever started it, never to users.

    StackError
    ├── AlreadyRunning   another process uses the same state folder
    ├── PortBusy         a port is in use
    ├── PostgresFailed   the embedded PostgreSQL could not be set up or started
    └── ServiceFailed    a process did not become ready, or keeps dying

Each has one sentence on the problem and one on the remedy. Details are in the log files that it names.
"""

from pathlib import Path

from analytics_exports.domain.errors import ExportError


class StackError(ExportError):
    """The local stack could not be started."""

    code = "stack_failed"


class AlreadyRunning(StackError):
    """Another process uses this state folder; stop it, or set ANALYTICS_EXPORTS_STATE_DIR to another folder."""

    code = "stack_already_running"

    def __init__(self, folder: Path) -> None:
        """Name the folder that is in use."""
        super().__init__(
            f"Another process uses {folder}; stop it, or set ANALYTICS_EXPORTS_STATE_DIR to another folder."
        )


class PortBusy(StackError):
    """Something else listens on a port that is needed; stop it or set another port."""

    code = "port_busy"

    def __init__(self, port: int, setting: str | None = None) -> None:
        """Name the port, and the environment variable that sets another one."""
        remedy = f"set {setting} to another one" if setting else "choose another one"
        super().__init__(f"Port {port} is in use by another program; stop that program, or {remedy}.")
        self.port = port


class PostgresFailed(StackError):
    """The embedded PostgreSQL could not be started; its log says why."""

    code = "postgres_failed"


class ServiceFailed(StackError):
    """A process of the local stack did not become ready, or keeps dying; its log says why."""

    code = "service_failed"
