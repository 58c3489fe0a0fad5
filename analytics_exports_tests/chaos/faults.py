"""The faults. Each is injected into the real component and ends by itself or by the supervisor."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from random import Random

import psutil

from analytics_exports import PROJECT
from analytics_exports.development.postgres import EmbeddedPostgres
from analytics_exports.stack.environment import MARK, child_environment
from analytics_exports.stack.leftovers import marked
from analytics_exports.stack.stack import Stack
from analytics_exports_tests.chaos.truth import Truth

KINDS = {
    "api": "uvicorn",
    "daemon": "dagster._daemon",
    "code_server": "dagster api grpc",
    "run_pool": "analytics_exports.orchestration.warm",
}
"""What stands in the command line of each kind of process."""

DISK_BYTES = 2**31
"""More than the exports of a round need, which would have to wait for one another otherwise."""


class Nemesis:
    """Picks faults by a seed, and injects them.

    ``watch`` is called over and over while a fault lasts: it starts again what has died.
    """

    def __init__(self, stack: Stack, truth: Truth, random: Random, watch: Callable[[], None]) -> None:
        self._stack, self._truth, self._random, self._watch = stack, truth, random, watch
        self.faults: dict[str, Callable[[], None]] = {
            **{f"kill_{kind}": partial(self._kill, kind) for kind in KINDS},
            "kill_worker": self._kill_worker,
            "freeze_worker": self._freeze_worker,
            "restart_postgres": self._restart_postgres,
            "kill_postgres": self._kill_postgres,
            "freeze_postgres": self._freeze_postgres,
            "swap_warehouse": lambda: truth.publish(random.randrange(2)),
            "overwrite_warehouse": self._overwrite_warehouse,
            "second_daemon": self._second_daemon,
            "disk_full": self._disk_full,
        }
        self._next: list[str] = []
        self.workers_killed_at = 0.0
        """When workers last died in the midst of what they did, by the monotonic clock; 0 for never."""

    def strike(self) -> str:
        """One fault, and none again before all others have had their turn; its name."""
        self._next = self._next or self._random.sample(sorted(self.faults), len(self.faults))
        name = self._next.pop()
        self.faults[name]()
        return name

    def wait(self, seconds: float) -> None:
        """Let time pass while what has died is started again."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self._watch()
            time.sleep(0.05)

    def _processes(self, text: str) -> list[psutil.Process]:
        found = marked(MARK, str(self._stack.state))
        return [process for process in found if text in " ".join(_command(process))]

    def _kill(self, kind: str) -> None:
        family = self._workers() if kind == "run_pool" else []  # with the fork server
        for process in [*self._processes(KINDS[kind]), *family]:
            _send(process, signal.SIGKILL)
        if kind == "run_pool":
            self.workers_killed_at = time.monotonic()

    def _workers(self) -> list[psutil.Process]:
        pool = self._processes(KINDS["run_pool"])
        return [child for process in pool for child in process.children(recursive=True)]

    def _kill_worker(self) -> None:
        if workers := self._workers():
            _send(self._random.choice(workers), signal.SIGKILL)
            self.workers_killed_at = time.monotonic()

    def _freeze_worker(self) -> None:
        """For longer than its lease, and then it goes on as if nothing had happened."""
        if workers := self._workers():
            worker = self._random.choice(workers)
            _send(worker, signal.SIGSTOP)
            self.wait(self._stack.settings.lease_seconds * 1.5)
            _send(worker, signal.SIGCONT)

    def _postgres(self) -> psutil.Process:
        ((server,), *_) = self._stack.supervisor._groups
        assert isinstance(server, EmbeddedPostgres)
        return psutil.Process(server.pid)

    def _restart_postgres(self) -> None:
        _send(self._postgres(), signal.SIGINT)  # fast shutdown; the supervisor starts it again

    def _kill_postgres(self) -> None:
        _send(self._postgres(), signal.SIGKILL)

    def _freeze_postgres(self) -> None:
        server = self._postgres()
        family = [server, *server.children(recursive=True)]
        for process in family:
            _send(process, signal.SIGSTOP)
        time.sleep(self._random.choice((1, 4)))
        for process in family:
            _send(process, signal.SIGCONT)

    def _overwrite_warehouse(self) -> None:
        self._truth.overwrite(self._random.randrange(2))
        self.wait(0.5)
        self._truth.publish(self._random.randrange(2))

    def _second_daemon(self) -> None:
        settings = self._stack.settings
        environment = child_environment(settings, self._stack.database_url)
        command = [sys.executable, "-m", "dagster._daemon", "run", "-w", str(PROJECT / "workspace.yaml")]
        with subprocess.Popen(
            command, env=environment, cwd=PROJECT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as second:
            self.wait(6)
            second.kill()

    def _disk_full(self) -> None:
        folder = Path(self._stack.settings.artifact_root)
        filler = folder / "filler"
        with suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(b"\0" * 2**20)
        self.wait(2)
        filler.unlink()


@contextmanager
def small_disk(folder: Path) -> Iterator[bool]:
    """A file system of its own for a folder; whether that is allowed here."""
    folder.mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    mounted = bool(shutil.which("mount")) and not subprocess.run(command, capture_output=True, check=False).returncode
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:
        return []


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
