"""One child process: started with clean signals, its output in a log file, stopped with its whole process group.

Which processes there are belongs to ``stack``; their order and restarts to ``supervisor``.
"""

import math
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from analytics_exports.child_process import CURRENT_ACCOUNT, bound_to_this_process
from analytics_exports.stack.tcp import require_free


@dataclass(frozen=True, slots=True)
class SystemAccount:
    """A system account."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run and how to stop it.

    Attributes:
        arguments: Absolute path of the executable and its arguments.
        environment: The whole environment; nothing else is inherited.
        log: File for standard output and standard error; that of the previous run is kept as ``.1``.
        stop_signal: The signal for a graceful stop; also sent when this process dies (Linux).
        stop_seconds: Time for the graceful stop before the whole group is killed.
        account: Account to run under; ``None`` for the current one.
    """

    arguments: Sequence[str | Path]
    environment: Mapping[str, str]
    folder: Path
    log: Path
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10
    account: SystemAccount | None = None


class Child:
    """A running program, leader of its own session and process group."""

    def __init__(self, program: Program) -> None:
        """Start it, from the main thread: Linux ends the child when the thread that started it ends."""
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError(
                "Start child processes from the main thread: they end with the thread that started them."
            )
        self._program = program
        self._deadline = math.inf
        with rotated(program.log).open("wb") as log, blocked(program.stop_signal):
            self._process = subprocess.Popen(  # noqa: S603 (no shell, and the programs are our own)
                launched(program),
                env=dict(program.environment),
                cwd=program.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its session and process group."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code, negative for a signal; ``None`` while it runs."""
        return self._process.poll()

    def ask_to_stop(self) -> None:
        """Send the stop signal once: some programs treat a second one as a request to stop immediately."""
        if self._deadline == math.inf:
            self._deadline = time.monotonic() + self._program.stop_seconds
            self._process.send_signal(self._program.stop_signal)

    def stop(self) -> None:
        """Stop it gracefully within the time since ``ask_to_stop``, then kill what is left of its process group."""
        self.ask_to_stop()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0, self._deadline - time.monotonic()))
        with suppress(ProcessLookupError, PermissionError):  # macOS says EPERM for a group of zombies
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def blocked(number: signal.Signals) -> Iterator[None]:
    """Block a signal. A child started inside begins with it blocked; ``child_process`` unblocks it and it is received.

    Without this, the child of a parent that ignores the signal loses it until ``child_process`` has reset it.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [number])
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def launched(program: Program) -> list[str]:
    """The command line that runs ``program`` bound to this process, with default signals, under its account."""
    account = f"{program.account.uid}:{program.account.gid}" if program.account else CURRENT_ACCOUNT
    return bound_to_this_process([str(argument) for argument in program.arguments], program.stop_signal, account)


def rotated(log: Path) -> Path:
    """``log``, after moving its previous content to ``.1``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists():
        log.replace(log.with_name(log.name + ".1"))
    return log


def last_line(log: Path) -> str:
    """The last line of a log that is not blank; empty when there is none."""
    if not log.exists():
        return ""
    lines = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


class ManagedProcess:
    """A service consisting of one program: refuses a port in use, and knows when the program is ready."""

    def __init__(
        self, name: str, program: Program, is_ready: Callable[[], bool], *, port: int | None = None, setting: str = ""
    ) -> None:
        """Describe it; nothing runs before ``start``.

        Args:
            name: Name for people.
            program: What to run.
            is_ready: Whether the program is ready; called only while it runs.
            port: Port on loopback that it will listen on, if any.
            setting: Environment variable that sets another port.
        """
        self.name = name
        self._program = program
        self._is_ready = is_ready
        self._port = port
        self._setting = setting
        self._child: Child | None = None

    @property
    def log(self) -> Path:
        """Its log file."""
        return self._program.log

    @property
    def pid(self) -> int | None:
        """Process id; ``None`` while it does not run."""
        return self._child.pid if self._child else None

    @property
    def exit_code(self) -> int | None:
        """Exit code of its process, negative for a signal; ``None`` while it runs, and before it was started."""
        return self._child.exit_code if self._child else None

    def start(self) -> None:
        """Start the program.

        Raises:
            PortBusy: Another program listens on its port.
        """
        if self._port:
            require_free(self._port, self._setting)
        self._child = Child(self._program)

    def is_ready(self) -> bool:
        """Whether the program runs and is ready."""
        return self.exit_code is None and self._is_ready()

    def ask_to_stop(self) -> None:
        """Request a graceful stop, without waiting."""
        if self._child is not None:
            self._child.ask_to_stop()

    def stop(self) -> None:
        """Stop the program with its process group, by force if it takes too long."""
        if self._child is not None:
            self._child.stop()
            self._child = None
