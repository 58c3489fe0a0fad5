"""Many exports at once, and the least that could be needed for the same files: a loop over one DuckDB connection."""

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from sqlalchemy import text

from analytics_exports.development.demo import DemoUser
from analytics_exports.settings import Settings
from benchmarks.launch.meter import Meter
from benchmarks.launch.stacks import DATASET, Service
from benchmarks.launch.waiting import wait_until_zero

CALLERS = 4
LEFT = "SELECT count(*) FROM jobs WHERE status IN ('pending', 'running')"
UNDONE = "SELECT count(*) FROM jobs WHERE status IN ('failed', 'cancelled')"
RUNS = "SELECT count(*) FROM dagster.runs"
RUNS_LEFT = "SELECT count(*) FROM dagster.runs WHERE status NOT IN ('SUCCESS', 'FAILURE', 'CANCELED')"

COPIES = """
    INSERT INTO jobs (user_id, owner_key, entity_id, metadata)
    SELECT user_id, owner_key, entity_id, (
        SELECT jsonb_object_agg(key, value) FROM jsonb_each(metadata)
        WHERE key IN ('dataset_id', 'dataset_name', 'format', 'filters', 'columns', 'options'))
    FROM jobs, generate_series(1, :count) WHERE id = :like
"""
"""Pending exports like one that there is, all in one moment."""

LOOP = """
import duckdb, json, resource, sys, time
warehouse, owner, count, folder, threads, memory, table = sys.argv[1:]
began = time.perf_counter()
with duckdb.connect(warehouse, read_only=True, config={"threads": int(threads), "memory_limit": memory}) as connection:
    before = resource.getrusage(resource.RUSAGE_SELF)
    for number in range(int(count)):
        connection.execute(
            f"COPY (SELECT * FROM {table} WHERE user_id = '{owner}' ORDER BY ALL) TO '{folder}/{number}.csv' (HEADER)"
        )
    after = resource.getrusage(resource.RUSAGE_SELF)
used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps([time.perf_counter() - began, used]))
"""


@dataclass(frozen=True)
class Burst:
    """How long many exports took, from the first request to the last completion, and what they cost."""

    exports: int
    seconds: float
    cpu_seconds_each: float
    runs: int
    others_cores: float


def posted(service: Service, count: int) -> Burst:
    """Measure exports that are asked for over HTTP, by a few callers at once."""
    with ThreadPoolExecutor(CALLERS) as callers:
        return _measured(service, count, lambda: list(callers.map(lambda _: service.ask(), range(count))))


def stored(service: Service, count: int) -> Burst:
    """Measure exports that become pending in one moment: the launch without the requests."""
    like = service.ended(service.ask())["job_id"]

    def store() -> None:
        with service.engine.begin() as connection:
            connection.execute(text(COPIES), {"count": count, "like": like})

    return _measured(service, count, store)


def plain_loop(settings: Settings, owner: DemoUser, count: int) -> Burst:
    """Measure the same files written by DuckDB, in the same order, with nothing around it."""
    with TemporaryDirectory() as folder:
        limits = (str(settings.export_threads), settings.export_memory)
        arguments = (str(settings.warehouse), str(owner.id), str(count), folder, *limits, DATASET)
        done = subprocess.run([sys.executable, "-c", LOOP, *arguments], check=True, capture_output=True, text=True)
        seconds, used = json.loads(done.stdout)
    return Burst(count, seconds, used / count, runs=0, others_cores=0)


def _measured(service: Service, count: int, ask: Callable[[], object]) -> Burst:
    wait_until_zero(lambda: service.scalar(LEFT))
    wait_until_zero(lambda: service.scalar(RUNS_LEFT))
    runs, undone = service.scalar(RUNS), service.scalar(UNDONE)
    meter = Meter()
    ask()
    wait_until_zero(lambda: service.scalar(LEFT))
    seconds, used, others = meter.seconds, meter.used, meter.others
    wait_until_zero(lambda: service.scalar(RUNS_LEFT))
    if service.scalar(UNDONE) != undone:
        raise RuntimeError("Some exports were not made.")
    return Burst(count, seconds, used / count, service.scalar(RUNS) - runs, others)
