"""The template: a process without threads that imports the code once and forks a worker whenever it is asked.

    python -m analytics_exports.orchestration.warm.template CHANNEL PARENT_PID OPTIONS

A fork copies the one thread that calls it, so a template must never have had another, nor hold a connection: it
imports, and nothing else. What starts threads when it is imported (Polars does) is imported by each worker. The channel
speaks in ``REQUEST`` and ``ANSWER``; its end is the template's end, and with it the end of its workers.
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
from typing import NoReturn

from analytics_exports.parent import die_with

FORK, REAP = b"F", b"R"
REQUEST, ANSWER = struct.Struct("!ci"), struct.Struct("!i")


@dataclass(frozen=True, slots=True)
class Options:
    """What to import, and how workers are to be.

    Attributes:
        imports: Modules that are imported before the fork. They must not start threads.
        warm_up: ``module:function`` that each worker calls before its first run; empty for none.
        runs, memory: The limits of a worker (see ``worker.Limits``).
    """

    imports: Sequence[str]
    warm_up: str
    runs: int
    memory: int


def main(channel: str, parent: str, options: str) -> None:
    """Import, say so, then fork and reap as asked until the channel ends."""
    die_with(int(parent))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig()
    chosen = Options(**json.loads(options))
    for name in (*chosen.imports, "analytics_exports.orchestration.warm.worker"):
        import_module(name)
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(channel)) as pool:
        pool.sendall(ANSWER.pack(0))
        while True:
            request, descriptors, _, _ = socket.recv_fds(pool, REQUEST.size, 1)
            if not request:
                return
            what, number = REQUEST.unpack(request)
            answer = _fork(pool, descriptors[0], chosen) if what == FORK else os.waitpid(number, 0)[1]
            pool.sendall(ANSWER.pack(answer))


def _fork(pool: socket.socket, connection: int, options: Options) -> int:
    """Fork a worker that talks over ``connection``; returns its process id."""
    template = os.getpid()
    worker = os.fork()
    if worker == 0:
        pool.close()
        _live(template, Connection(connection), options)
    os.close(connection)
    return worker


def _live(template: int, connection: Connection, options: Options) -> NoReturn:
    """Be a worker, leader of its own process group. Nothing returns into the template's code."""
    try:
        os.setpgid(0, 0)
        die_with(template)
        _work(connection, options)
    except BaseException:  # noqa: BLE001 - as said above
        traceback.print_exc()
        _exit(1)
    _exit(0)


def _work(connection: Connection, options: Options) -> None:
    from analytics_exports.orchestration.warm.worker import Limits, work

    module, _, function = options.warm_up.partition(":")
    warm_up = getattr(import_module(module), function) if module else lambda: None
    work(connection, warm_up, Limits(options.runs, options.memory))


def _exit(code: int) -> NoReturn:
    """End without what the template has registered for its own end."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main(*sys.argv[1:])
