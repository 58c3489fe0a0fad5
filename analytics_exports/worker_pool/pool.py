"""The worker processes of the pool: spawned by a fork server, replaced when they exit or the source changes.

Which task a worker gets is decided by ``pool_server``. No method here blocks: slow operations are started, and their
connection becomes readable when they are done.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from typing import Any

from analytics_exports.worker_pool.fork_server import FORK, REAP, REQUEST, RESPONSE, ForkServerOptions
from analytics_exports.worker_pool.protocol import Message, receive, send
from analytics_exports.worker_pool.source_fingerprint import SourceFingerprint

logger = logging.getLogger(__name__)

FORK_SERVER_MODULE = "analytics_exports.worker_pool.fork_server"
CHECK_SOURCE_SECONDS = 1.0
"""Interval between checks for changed source, in seconds."""

RETRY_SECONDS = 2.0
"""Wait before restarting a fork server or a worker that exited before it was ready, in seconds."""


class ForkServer:
    """A fork server process, seen from the pool."""

    def __init__(self, options: ForkServerOptions) -> None:
        """Start the process. Its channel becomes readable once the imports are done or have failed."""
        self.channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [
                    sys.executable,
                    "-m",
                    FORK_SERVER_MODULE,
                    str(theirs.fileno()),
                    str(os.getpid()),
                    json.dumps(asdict(options)),
                ],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def read_response(self) -> int | None:
        """Read one response; ``None`` when the process has exited."""
        try:
            response = self.channel.recv(RESPONSE.size)
        except OSError:
            response = b""
        return RESPONSE.unpack(response)[0] if response else None

    def fork(self) -> "Worker | None":
        """Fork a new worker; ``None`` when the fork server has exited."""
        ours, theirs = socket.socketpair()
        with theirs, suppress(OSError):
            socket.send_fds(self.channel, [REQUEST.pack(FORK, 0)], [theirs.fileno()])
        pid = self.read_response()
        if pid is None:
            ours.close()
            return None
        return Worker(pid, self, Connection(ours.detach()))

    def reap(self, pid: int) -> int | None:
        """Wait for a worker that is exiting. Returns its wait status; ``None`` when it exited with the fork server."""
        with suppress(OSError):
            self.channel.sendall(REQUEST.pack(REAP, pid))
        return self.read_response()

    def close(self) -> None:
        """Kill the process. Its workers exit with it."""
        self.channel.close()
        self._process.kill()
        self._process.wait()


@dataclass(eq=False)
class Worker:
    """One worker process.

    Attributes:
        task: The task in progress; ``None`` while the worker is idle.
        ready: Whether the worker has reported that it is ready.
        retiring: Whether the worker exits after its current task.
        kill_at: Monotonic time at which the worker is killed unless it has exited; ``None`` for never.
    """

    pid: int
    fork_server: ForkServer
    connection: Connection
    task: dict[str, Any] | None = None
    ready: bool = False
    retiring: bool = False
    kill_at: float | None = None

    def assign(self, task: dict[str, Any]) -> None:
        """Send a task. If the worker has just exited, its exit is handled like any other."""
        self.task = task
        with suppress(OSError):
            send(self.connection, task)

    def interrupt(self, grace: float) -> None:
        """Send SIGINT, and kill the worker if it has not exited within ``grace`` seconds."""
        self.retiring = True
        self.kill_at = self.kill_at or time.monotonic() + grace
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGINT)

    def kill(self) -> None:
        """Kill the worker with its whole process group."""
        for end in (os.killpg, os.kill):
            with suppress(ProcessLookupError):
                end(self.pid, signal.SIGKILL)


class WorkerPool:
    """Keeps ``size`` workers running.

    Attributes:
        size: Number of workers.
        problem: Why workers with the current source cannot run, for operators; ``None`` when no reason is known.
    """

    def __init__(self, size: int, options: ForkServerOptions, source: SourceFingerprint) -> None:
        """Configure the pool; the first worker is spawned by ``maintain``.

        Args:
            options: How workers are made.
            source: The source to watch; workers are replaced when it changes.
        """
        self.workers: list[Worker] = []
        self.problem: str | None = None
        self.size = size
        self._options = options
        self._source = source
        self._fingerprint = source.current()
        self._fork_server: ForkServer | None = None
        self._next_fork_server: ForkServer | None = None
        self._not_before = 0.0
        self._check_source_at = 0.0

    @property
    def reloading(self) -> bool:
        """Whether changed source is being imported: new tasks wait for workers that have it."""
        return self._next_fork_server is not None

    def connections(self) -> list[Any]:
        """The connections to wait on; pass each readable one to ``handle``."""
        fork_servers = [server for server in (self._fork_server, self._next_fork_server) if server]
        return [*(server.channel for server in fork_servers), *(worker.connection for worker in self.workers)]

    def idle(self) -> Worker | None:
        """An idle worker, or ``None``."""
        return next((one for one in self.workers if one.ready and one.task is None and not one.retiring), None)

    def spawn_extra(self) -> Worker | None:
        """Spawn a worker beyond ``size`` for a single task; ``None`` when that is not possible now."""
        worker = self._spawn() if time.monotonic() >= self._not_before else None
        if worker:
            worker.retiring = True
        return worker

    def handle(self, source: object) -> tuple[Worker, str | None] | None:
        """Handle one readable connection.

        Returns:
            A worker that finished its task, and ``None``; or one that exited during it, and how it exited.
        """
        for worker in self.workers:
            if worker.connection is source:
                return self._handle_message(worker)
        if self._next_fork_server and self._next_fork_server.channel is source:
            self._activate(self._next_fork_server)
        elif self._fork_server and self._fork_server.channel is source and self._fork_server.read_response() is None:
            self._fork_server.close()
            self._fork_server = None
        return None

    def maintain(self) -> None:
        """Kill overdue workers, reload changed source, and spawn missing workers."""
        now = time.monotonic()
        for worker in self.workers:
            if worker.kill_at and now > worker.kill_at:
                worker.kill()
        if now >= self._check_source_at:
            self._check_source_at = now + CHECK_SOURCE_SECONDS
            self._reload_if_changed()
        if now < self._not_before:
            return
        if self._fork_server is None and self._next_fork_server is None:
            self._next_fork_server = ForkServer(self._options)
        while self._fork_server and len([one for one in self.workers if not one.retiring]) < self.size:
            self._spawn()

    def check_source(self) -> None:
        """Check for changed source in the next call of ``maintain``."""
        self._check_source_at = 0.0

    def retire(self, worker: Worker) -> None:
        """Let ``worker`` exit after its current task."""
        worker.retiring = True
        if worker.task is None:
            with suppress(OSError):
                send(worker.connection, {"do": "exit"})

    def close(self) -> None:
        """Kill all processes at once."""
        in_use = {worker.fork_server for worker in self.workers}
        for fork_server in {self._fork_server, self._next_fork_server, *in_use}:
            if fork_server:
                fork_server.close()

    def _reload_if_changed(self) -> None:
        version = self._source.current()
        if version == self._fingerprint:
            return
        self._fingerprint = version
        if self._next_fork_server:
            self._next_fork_server.close()
        self._next_fork_server = ForkServer(self._options)

    def _activate(self, next_fork_server: ForkServer) -> None:
        """Replace the fork server by one that has imported the changed source, unless the import failed."""
        self._next_fork_server = None
        if next_fork_server.read_response() is None:
            next_fork_server.close()
            self._not_before = time.monotonic() + RETRY_SECONDS
            next_step = "the old code stays in use" if self._fork_server else "trying again"
            self.problem = f"The code of the run workers cannot be imported; {next_step}. Their log says why."
            logger.error(self.problem)
            return
        self.problem = None
        old, self._fork_server = self._fork_server, next_fork_server
        for worker in self.workers:
            self.retire(worker)
        self._close_if_unused(old)

    def _spawn(self) -> Worker | None:
        worker = self._fork_server.fork() if self._fork_server else None
        if worker:
            self.workers.append(worker)
        else:
            self._fork_server = None
        return worker

    def _handle_message(self, worker: Worker) -> tuple[Worker, str | None] | None:
        try:
            message: Message = receive(worker.connection)
        except OSError:
            return self._reap(worker)
        if "ready" in message:
            worker.ready = True
            self.problem = None
            return None
        if message["last"]:
            worker.retiring = True
        elif worker.retiring:
            with suppress(OSError):
                send(worker.connection, {"do": "exit"})
        return worker, None

    def _reap(self, worker: Worker) -> tuple[Worker, str | None] | None:
        """Remove a worker that has exited and kill what it had started."""
        self.workers.remove(worker)
        worker.kill()
        ending = _describe(worker.fork_server.reap(worker.pid))
        worker.connection.close()
        if not worker.ready:
            self._not_before = time.monotonic() + RETRY_SECONDS
            self.problem = f"A run worker {ending} before it could work; its log says why."
        self._close_if_unused(worker.fork_server)
        return (worker, ending) if worker.task else None

    def _close_if_unused(self, fork_server: ForkServer | None) -> None:
        old = fork_server is not None and fork_server not in (self._fork_server, self._next_fork_server)
        if fork_server and old and not any(worker.fork_server is fork_server for worker in self.workers):
            fork_server.close()


def _describe(status: int | None) -> str:
    if status is None:
        return "ended with its fork server"
    code = os.waitstatus_to_exitcode(status)
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
