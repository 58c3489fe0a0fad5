"""A worker: one process that performs one task after another, and exits when it reaches a limit."""

import logging
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection

from analytics_exports.worker_pool.protocol import Message, receive, send

logger = logging.getLogger(__name__)

Executor = Callable[[], AbstractContextManager[Callable[[Message], None]]]
"""Enters what lasts as long as a worker, and returns the function that performs a task. The function never raises."""


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """When a worker is replaced: after so many runs, or with more than ``memory`` resident bytes after a run."""

    runs: int
    memory: int


def run_worker(connection: Connection, executor: Executor, warm_up: Callable[[], object], limits: WorkerLimits) -> None:
    """Perform tasks until the pool closes the connection, asks the worker to exit, or a limit is reached."""
    with executor() as perform:
        _warm(warm_up)
        send(connection, {"ready": os.getpid()})
        for number in count(1):
            try:
                message = receive(connection)
            except ConnectionError:
                return
            if message["do"] == "exit":
                return
            perform(message)
            last = number >= limits.runs or resident_bytes() > limits.memory
            send(connection, {"done": message["run_id"], "last": last})
            if last:
                return


def _warm(warm_up: Callable[[], object]) -> None:
    """Call ``warm_up``. A failure is only logged: its cause shows in the runs themselves."""
    try:
        warm_up()
    except Exception:
        logger.exception("A run worker could not be warmed up")


def resident_bytes() -> int:
    """Resident memory of this process in bytes; 0 where the system does not report it."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - the quickest way
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
