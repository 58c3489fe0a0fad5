"""Finds processes that a killed owner left behind, by what they are rather than by pid, which may have been reused.

On Linux the kernel ends our children with us, so there is rarely anything to find; elsewhere, and while they are
ending, this makes a restart safe.
"""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

STOP_SECONDS = 10.0
EXEC_SECONDS = 0.1
"""Time for a process within execve(2) to leave it; it takes microseconds."""


def working_in(folder: Path) -> list[psutil.Process]:
    """Processes whose working directory is ``folder``: for a data folder, its PostgreSQL server and backends."""
    return [process for process in _others() if _cwd(process) == str(folder)]


def marked(variable: str, value: str) -> list[psutil.Process]:
    """Processes with ``variable=value`` in their environment, which includes the children of such processes.

    Linux shows an empty environment of a process that is within execve(2), so an empty one is read a second time.
    """
    environments = {process: _environment(process) for process in _others()}
    unclear = [process for process, environment in environments.items() if not environment]
    if unclear:
        time.sleep(EXEC_SECONDS)
        environments |= {process: _environment(process) for process in unclear}
    return [process for process, environment in environments.items() if environment.get(variable) == value]


def stop_processes(processes: list[psutil.Process], stop_signal: signal.Signals = signal.SIGTERM) -> None:
    """Signal the processes, wait, and kill those that have not ended."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(stop_signal)
    _, alive = psutil.wait_procs(processes, timeout=STOP_SECONDS)
    for process in alive:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=STOP_SECONDS)


def _others() -> Iterator[psutil.Process]:
    return (process for process in psutil.process_iter() if process.pid != os.getpid())


def _cwd(process: psutil.Process) -> str | None:
    try:
        return str(process.cwd())
    except (psutil.Error, OSError):
        return None


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return dict(process.environ())
    except (psutil.Error, OSError):
        return {}
