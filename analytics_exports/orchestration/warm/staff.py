"""The workers at hand, seen from the pool: started from a template, replaced when they end, renewed with the code.

What they are to do, the pool decides. Nothing here waits: whatever takes time tells by becoming readable.
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

from analytics_exports.orchestration.warm.code import Code
from analytics_exports.orchestration.warm.protocol import Message, receive, send
from analytics_exports.orchestration.warm.template import ANSWER, FORK, REAP, REQUEST, Options

logger = logging.getLogger(__name__)

TEMPLATE = "analytics_exports.orchestration.warm.template"
LOOK_SECONDS = 1.0
"""How often to look whether the code has changed."""

RETRY_SECONDS = 2.0
"""Wait before a template or a worker is started again that did not even become ready."""


class Template:
    """A running template, or one that has ended."""

    def __init__(self, options: Options) -> None:
        """Start it; its channel becomes readable when it has imported everything, or cannot."""
        self.channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", TEMPLATE, str(theirs.fileno()), str(os.getpid()), json.dumps(asdict(options))],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )

    def answer(self) -> int | None:
        """What it has to say; ``None`` when it has ended."""
        try:
            said = self.channel.recv(ANSWER.size)
        except OSError:
            said = b""
        return ANSWER.unpack(said)[0] if said else None

    def fork(self) -> "Worker | None":
        """A new worker; ``None`` when the template has ended."""
        ours, theirs = socket.socketpair()
        with theirs, suppress(OSError):
            socket.send_fds(self.channel, [REQUEST.pack(FORK, 0)], [theirs.fileno()])
        pid = self.answer()
        if pid is None:
            ours.close()
            return None
        return Worker(pid, self, Connection(ours.detach()))

    def reap(self, pid: int) -> int | None:
        """The wait status of a worker that is ending; ``None`` when it ended with the template."""
        with suppress(OSError):
            self.channel.sendall(REQUEST.pack(REAP, pid))
        return self.answer()

    def close(self) -> None:
        """End it, and with it its workers."""
        self.channel.close()
        self._process.kill()
        self._process.wait()


@dataclass(eq=False)
class Worker:
    """One worker.

    Attributes:
        task: What it is doing; ``None`` while it waits.
        ready: Whether it has said that it can work.
        leaving: Whether it is given nothing more to do.
        kill_at: When it is killed unless it has ended by then, on the monotonic clock.
    """

    pid: int
    template: Template
    connection: Connection
    task: dict[str, Any] | None = None
    ready: bool = False
    leaving: bool = False
    kill_at: float | None = None

    def assign(self, task: dict[str, Any]) -> None:
        """Give it something to do. If it has just ended, its end is noticed like any other."""
        self.task = task
        with suppress(OSError):
            send(self.connection, task)

    def interrupt(self, grace: float) -> None:
        """Ask it to stop what it is doing, and see to it that it does."""
        self.leaving = True
        self.kill_at = self.kill_at or time.monotonic() + grace
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGINT)

    def kill(self) -> None:
        """End it with everything it has started."""
        for end in (os.killpg, os.kill):
            with suppress(ProcessLookupError):
                end(self.pid, signal.SIGKILL)


class Staff:
    """Keeps ``size`` workers at hand.

    Attributes:
        size: How many workers there should be.
        problem: Why a worker with the code as it is cannot work, for operators; ``None`` while that is not known.
    """

    def __init__(self, size: int, options: Options, code: Code) -> None:
        """Have workers made as ``options`` say, anew when ``code`` changes; none is started before ``keep_up``."""
        self.workers: list[Worker] = []
        self.problem: str | None = None
        self.size = size
        self._options = options
        self._code = code
        self._version = code.version()
        self._template: Template | None = None
        self._coming: Template | None = None
        self._not_before = 0.0
        self._look_at = 0.0

    @property
    def renewing(self) -> bool:
        """Whether newer code is being imported: what comes now is made with it."""
        return self._coming is not None

    def sources(self) -> list[Any]:
        """What to wait for; hand each that is readable to ``listen``."""
        templates = [template.channel for template in (self._template, self._coming) if template]
        return [*templates, *(worker.connection for worker in self.workers)]

    def idle(self) -> Worker | None:
        """A worker that can be given something to do."""
        return next((one for one in self.workers if one.ready and one.task is None and not one.leaving), None)

    def extra(self) -> Worker | None:
        """A worker for one task more than there are workers; ``None`` when there cannot be one now."""
        worker = self._hire() if time.monotonic() >= self._not_before else None
        if worker:
            worker.leaving = True
        return worker

    def listen(self, source: object) -> tuple[Worker, str | None] | None:
        """Take in what one source says.

        Returns:
            A worker that has done its task, or that has ended with one: then with how it ended.
        """
        for worker in self.workers:
            if worker.connection is source:
                return self._hear(worker)
        if self._coming and self._coming.channel is source:
            self._arrive(self._coming)
        elif self._template and self._template.channel is source and self._template.answer() is None:
            self._template.close()
            self._template = None
        return None

    def keep_up(self) -> None:
        """Have as many workers as there should be, with the code as it is."""
        now = time.monotonic()
        for worker in self.workers:
            if worker.kill_at and now > worker.kill_at:
                worker.kill()
        if now >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._renew()
        if now < self._not_before:
            return
        if self._template is None and self._coming is None:
            self._coming = Template(self._options)
        while self._template and len([one for one in self.workers if not one.leaving]) < self.size:
            self._hire()

    def look(self) -> None:
        """Look at the next ``keep_up`` whether the code has changed."""
        self._look_at = 0.0

    def dismiss(self, worker: Worker) -> None:
        """Give ``worker`` nothing more to do, and let it end when it is done."""
        worker.leaving = True
        if worker.task is None:
            with suppress(OSError):
                send(worker.connection, {"do": "leave"})

    def close(self) -> None:
        """End everything at once."""
        for template in {self._template, self._coming, *(worker.template for worker in self.workers)}:
            if template:
                template.close()

    def _renew(self) -> None:
        version = self._code.version()
        if version == self._version:
            return
        self._version = version
        if self._coming:
            self._coming.close()
        self._coming = Template(self._options)

    def _arrive(self, coming: Template) -> None:
        """Take the new template in place of the old one, if it could import the code."""
        self._coming = None
        if coming.answer() is None:
            coming.close()
            self._not_before = time.monotonic() + RETRY_SECONDS
            goes_on = "the old goes on" if self._template else "trying again"
            self.problem = f"The code of the run workers cannot be imported; {goes_on}. Their log says why."
            logger.error(self.problem)
            return
        self.problem = None
        old, self._template = self._template, coming
        for worker in self.workers:
            self.dismiss(worker)
        self._close_if_unused(old)

    def _hire(self) -> Worker | None:
        worker = self._template.fork() if self._template else None
        if worker:
            self.workers.append(worker)
        else:
            self._template = None
        return worker

    def _hear(self, worker: Worker) -> tuple[Worker, str | None] | None:
        try:
            message: Message = receive(worker.connection)
        except OSError:
            return self._lose(worker)
        if "ready" in message:
            worker.ready = True
            self.problem = None
            return None
        if message["last"]:
            worker.leaving = True
        elif worker.leaving:
            with suppress(OSError):
                send(worker.connection, {"do": "leave"})
        return worker, None

    def _lose(self, worker: Worker) -> tuple[Worker, str | None] | None:
        """Clear away a worker that has ended, and what it had started."""
        self.workers.remove(worker)
        worker.kill()
        how = _describe(worker.template.reap(worker.pid))
        worker.connection.close()
        if not worker.ready:
            self._not_before = time.monotonic() + RETRY_SECONDS
            self.problem = f"A run worker {how} before it could work; its log says why."
        self._close_if_unused(worker.template)
        return (worker, how) if worker.task else None

    def _close_if_unused(self, template: Template | None) -> None:
        old = template is not None and template not in (self._template, self._coming)
        if template and old and not any(worker.template is template for worker in self.workers):
            template.close()


def _describe(status: int | None) -> str:
    if status is None:
        return "ended with its template"
    code = os.waitstatus_to_exitcode(status)
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
