"""Print every figure."""

import argparse
import json
import os
import platform
import shutil
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Any

from analytics_exports.bootstrap.sensor import sensor_services
from analytics_exports.stack.stack import Stack
from analytics_exports_tests.scratch import scratch_folder
from benchmarks.launch import backfill, burst, filling, singly
from benchmarks.launch.stacks import BROKER, CeleryStack, NaiveStack, Service, running

REPEAT = 100
WARM_UP = 8
OURS, CELERY, NAIVE = "warm", "celery", "naive"


def print_figure(figure: str, design: str, figures: Mapping[str, Any]) -> None:
    """Print one line."""
    load = round(os.getloadavg()[0], 2)
    print(json.dumps({"benchmark": "launch", "figure": figure, "design": design, **figures, "load": load}), flush=True)


def print_backfill(figures: Mapping[str, Any]) -> None:
    """Print the figures of a backfill, a line for each."""
    exports, failed = figures["exports"], figures["failed"]
    if failed:
        raise RuntimeError(f"{failed} runs of the backfill failed.")
    for figure, stat, value, unit in (
        (f"backfill_{exports}_s", "total", figures["seconds"], "s"),
        (f"backfill_{exports}_runs_per_s", "mean", figures["runs_per_s"], "1/s"),
        (f"backfill_{exports}_cpu_s", "mean", figures["cpu_s_per_export"], "s"),
        (f"backfill_{exports}_new_export_s", "p50", figures["new_export_p50_s"], "s"),
        (f"backfill_{exports}_new_export_s", "max", figures["new_export_max_s"], "s"),
    ):
        line = {"figure": figure, "arm": "ours", "stat": stat, "value": value, "unit": unit, "n": exports}
        print(json.dumps(line), flush=True)


def say(text: str) -> None:
    """Say what goes on, apart from the figures."""
    print(text, file=sys.stderr, flush=True)


def measured(call: Callable[[], object]) -> float:
    """Median time of a call, in milliseconds."""
    times = []
    for _ in range(REPEAT):
        began = time.perf_counter()
        call()
        times.append((time.perf_counter() - began) * 1000)
    return round(statistics.median(times), 2)


def sizes(service: Service, exports: int) -> dict[str, float]:
    """What should stay as quick as it is, however much there is: ticks, statuses, exports."""
    settings = service.stack.settings.model_copy(update={"database_url": service.stack.database_url})
    services = sensor_services(settings)
    with services.pending_signal() as signal:
        look = measured(lambda: services.launch_planner.wait(signal, 0))
    services.close()
    since = service.scalar("SELECT now()")
    single = singly.one_at_a_time(service, exports, pause=2)
    job = service.ended(service.ask())
    return {
        "tick_that_finds_nothing_ms": look,
        "tick_to_run_created_ms": service.scalar(LAUNCHED, since=since),
        "status_get_ms": measured(lambda: service.client.get(f"/exports/{job['job_id']}").raise_for_status()),
        "export_p50_s": single["p50_s"],
    }


def compare(arguments: argparse.Namespace) -> None:
    """Measure both services, one after the other, on one warehouse."""
    with scratch_folder() as first, scratch_folder() as second, scratch_folder() as third:
        with running(NaiveStack, first, say) as naive:
            print_figure("one_at_a_time", NAIVE, singly.one_at_a_time(naive, arguments.naive))
        for state in (second, third):
            shutil.copytree(first / "demo", state / "demo", ignore=shutil.ignore_patterns("tokens.json"))
        if shutil.which(BROKER):
            with running(CeleryStack, third, say) as celery:
                one_by_one(celery, CELERY, arguments.exports)
        with running(Stack, second, say) as ours:
            measure(ours, arguments)


def one_by_one(service: Service, design: str, exports: int) -> None:
    """Measure exports that come one at a time, with pauses and without, and the service at rest."""
    singly.one_at_a_time(service, WARM_UP)
    print_figure("idle", design, singly.idle(10))
    print_figure("one_at_a_time", design, singly.one_at_a_time(service, exports, pause=1))
    print_figure("one_after_another", design, singly.one_at_a_time(service, exports))


def measure(service: Service, arguments: argparse.Namespace) -> None:
    """Measure everything about our own service."""
    since = service.scalar("SELECT now()")
    one_by_one(service, OURS, arguments.exports)
    print_figure(
        "read_back",
        OURS,
        {
            "p50_ms": service.scalar(READ_BACK, since=since, share=0.5),
            "p95_ms": service.scalar(READ_BACK, since=since, share=0.95),
        },
    )
    small = sizes(service, arguments.exports // 2)
    print_figure("size", OURS, {"partitions": service.scalar(PARTITIONS), "rows": service.scalar(ROWS), **small})
    floor = burst.plain_loop(service.stack.settings, service.user, arguments.burst)
    print_figure("burst", "plain DuckDB loop", floor)
    for figure, many in (("burst_stored_at_once", burst.stored), ("burst_posted", burst.posted)):
        figures = many(service, arguments.burst)
        print_figure(
            figure,
            OURS,
            {**figures, "ratio_to_plain_loop": round(figures["cpu_s_per_export"] / floor["cpu_s_per_export"], 2)},
        )
    print_backfill(backfill.backfill(service, arguments.backfill))
    filling.fill(service.engine, service.ended(service.ask())["job_id"], arguments.partitions, arguments.rows)
    large = sizes(service, arguments.exports // 2)
    print_figure("size", OURS, {"partitions": service.scalar(PARTITIONS), "rows": service.scalar(ROWS), **large})
    print_figure(
        "size_ratio", OURS, {name: round(large[name] / small[name], 2) for name in small if small[name] and large[name]}
    )


PARTITIONS = "SELECT count(*) FROM dagster.dynamic_partitions"
ROWS = "SELECT count(*) FROM jobs"
READ_BACK = """
    SELECT round(1000 * percentile_cont(:share) WITHIN GROUP (
        ORDER BY extract(epoch FROM jobs.completed_at - events.timestamp AT TIME ZONE 'UTC'))::numeric, 1)::float
    FROM jobs JOIN dagster.event_logs AS events ON events.partition = jobs.id::text
    WHERE jobs.created_at > :since AND events.dagster_event_type = 'ASSET_MATERIALIZATION'
"""
"""Time from the event that an export was published to its row."""

LAUNCHED = """
    SELECT round(1000 * percentile_cont(0.5) WITHIN GROUP (
        ORDER BY extract(epoch FROM runs.create_timestamp AT TIME ZONE 'UTC' - jobs.created_at))::numeric, 1)::float
    FROM jobs JOIN dagster.runs ON runs.run_id = jobs.dagster_run_id
    WHERE jobs.created_at > :since AND runs.pipeline_name = 'export'
"""
"""Median time from the row to the run that a sensor asked for, of exports with runs of their own."""


def main() -> None:
    """Read the sizes, and go."""
    parser = argparse.ArgumentParser(prog="benchmarks.launch", description=__doc__)
    parser.add_argument("--exports", type=int, default=40, help="exports one at a time")
    parser.add_argument("--burst", type=int, default=1000, help="exports at once")
    parser.add_argument("--backfill", type=int, default=200, help="exports that are made again by one backfill")
    parser.add_argument("--naive", type=int, default=5, help="exports one at a time, with Dagster as it comes")
    parser.add_argument("--partitions", type=int, default=100_000, help="live exports that are there already")
    parser.add_argument("--rows", type=int, default=1_000_000, help="exports that are in the table already")
    arguments = parser.parse_args()
    versions = {name: version(name) for name in ("dagster", "duckdb", "polars")}
    print_figure("machine", "", {"cores": os.cpu_count(), "python": platform.python_version(), **versions})
    compare(arguments)


if __name__ == "__main__":
    main()
