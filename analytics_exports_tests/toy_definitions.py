"""Jobs that wait, ignore signals, crash, fail or grow on request, which exports cannot be made to do."""

import os
import signal
import time

import duckdb
from dagster import Definitions, in_process_executor, job, op

LONGER_THAN_ANY_TEST = 600.0


@op
def nothing() -> None:
    """End at once."""


@op
def wait() -> None:
    time.sleep(LONGER_THAN_ANY_TEST)


@op
def query() -> None:
    """Be in a query of DuckDB, where Python does not come to look at signals by itself."""
    duckdb.execute("SELECT count(*) FROM range(100000000000) t(i) WHERE hash(i) % 5 = 1").fetchall()


@op
def ignore_interrupts() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    time.sleep(LONGER_THAN_ANY_TEST)


@op
def crash() -> None:
    """End without a word, as when the kernel runs out of memory."""
    os.kill(os.getpid(), signal.SIGKILL)


@op
def fail() -> None:
    raise ValueError


@op
def grow() -> None:
    """Hold on to memory that no later run needs."""
    HELD.append(bytearray(os.urandom(1)) * 300_000_000)


HELD: list[bytearray] = []


@job(executor_def=in_process_executor)
def quick() -> None:
    nothing()


@job(executor_def=in_process_executor)
def waiting() -> None:
    wait()


@job(executor_def=in_process_executor)
def querying() -> None:
    query()


@job(executor_def=in_process_executor)
def ignoring() -> None:
    ignore_interrupts()


@job(executor_def=in_process_executor)
def crashing() -> None:
    crash()


@job(executor_def=in_process_executor)
def failing() -> None:
    fail()


@job(executor_def=in_process_executor)
def growing() -> None:
    grow()


defs = Definitions(jobs=[quick, waiting, querying, ignoring, crashing, failing, growing])
