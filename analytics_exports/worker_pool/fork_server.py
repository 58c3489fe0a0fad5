"""The fork server: a process without threads that imports the code once and forks a worker for each request.

    python -m analytics_exports.worker_pool.fork_server CHANNEL PARENT_PID OPTIONS

``fork`` copies only the calling thread, so this process must never start another one, nor open a connection. Modules
that start threads when imported (Polars does) are imported by each worker. The channel carries ``REQUEST`` and
``RESPONSE`` records; when it is closed the fork server exits, and its workers with it.
"""

import gc
import json
import logging
import os
import signal
import socket
import struct
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from analytics_exports.child_process import exit_with_parent
from analytics_exports.worker_pool.worker import WorkerLimits, run_worker

FORK, REAP = b"F", b"R"
REQUEST, RESPONSE = struct.Struct("!ci"), struct.Struct("!i")


@dataclass(frozen=True, slots=True)
class ForkServerOptions:
    """What to import, and how workers behave.

    Attributes:
        imports: Modules imported before the fork. They must not start threads.
        executor: ``module:function`` of the ``worker.Executor``; its module is imported before the fork too.
        warm_up: ``module:function`` that each worker calls before its first run; empty for none.
        runs, memory: Limits of a worker (see ``worker.WorkerLimits``).
    """

    imports: Sequence[str]
    executor: str
    warm_up: str
    runs: int
    memory: int


def main(channel: str, parent: str, options: str) -> None:
    """Import the modules, report readiness, then fork and reap workers on request until the channel is closed."""
    exit_with_parent(int(parent))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig()
    chosen = ForkServerOptions(**json.loads(options))
    for name in chosen.imports:
        import_module(name)
    _load(chosen.executor)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(channel)) as pool:
        pool.sendall(RESPONSE.pack(0))
        while True:
            request, descriptors, _, _ = socket.recv_fds(pool, REQUEST.size, 1)
            if not request:
                return
            what, number = REQUEST.unpack(request)
            answer = _fork(pool, descriptors[0], chosen) if what == FORK else os.waitpid(number, 0)[1]
            pool.sendall(RESPONSE.pack(answer))


def _fork(pool: socket.socket, connection: int, options: ForkServerOptions) -> int:
    """Fork a worker that communicates over ``connection``; returns its process id."""
    fork_server = os.getpid()
    worker = os.fork()
    if worker == 0:
        pool.close()
        _run_worker(fork_server, Connection(connection), options)
    os.close(connection)
    return worker


def _run_worker(fork_server: int, connection: Connection, options: ForkServerOptions) -> NoReturn:
    """Run the worker in the forked process, as leader of its own process group. Never returns."""
    try:
        os.setpgid(0, 0)
        exit_with_parent(fork_server)
        _serve_runs(connection, options)
    except BaseException:  # noqa: BLE001 - see above
        traceback.print_exc()
        _exit(1)
    _exit(0)


def _serve_runs(connection: Connection, options: ForkServerOptions) -> None:
    warm_up = _load(options.warm_up) if options.warm_up else lambda: None
    run_worker(connection, _load(options.executor), warm_up, WorkerLimits(options.runs, options.memory))


def _load(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    """The object that ``module:name`` stands for."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(module), attribute)


def _exit(code: int) -> NoReturn:
    """Exit without running the exit handlers of the fork server."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
