"""Print every figure of the way from a request to a file."""

import argparse
import shutil
import statistics
import time
from collections.abc import Callable

from analytics_exports.bootstrap.sensor import sensor_services
from analytics_exports.stack.stack import Stack
from analytics_exports_tests.scratch import scratch_folder
from benchmarks.figures import CELERY, FLOOR, NAIVE, OURS, print_figure, print_times, say, say_what_is_busy
from benchmarks.launch import backfill, burst, filling, singly
from benchmarks.launch.stacks import BROKER, CeleryStack, NaiveStack, Service, running

REPEAT, WARM_UP, IDLE_SECONDS = 200, 8, 30
BURSTS = 3
"""A burst is measured so often; the median is printed."""


def timed(call: Callable[[], object], count: int = REPEAT) -> list[float]:
    """Seconds of each of several calls, one after the other."""
    times = []
    for _ in range(count):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return times


def compare(arguments: argparse.Namespace) -> None:
    """Measure the services, one after the other, on one warehouse."""
    with scratch_folder() as first, scratch_folder() as second, scratch_folder() as third:
        with running(NaiveStack, first, say) as naive:
            singles("small_export", NAIVE, singly.one_at_a_time(naive, arguments.naive))
        for state in (second, third):
            shutil.copytree(first / "demo", state / "demo", ignore=shutil.ignore_patterns("tokens.json"))
        if shutil.which(BROKER):
            with running(CeleryStack, third, say) as celery:
                one_by_one(celery, CELERY, arguments.exports)
        with running(Stack, second, say) as ours:
            measure(ours, arguments)


def singles(figure: str, arm: str, found: singly.Singles) -> None:
    """Print exports one at a time."""
    print_times(f"{figure}_s", arm, found.times)
    print_figure(f"{figure}_cpu_s", arm, "mean", found.cpu_seconds_each, "s", n=len(found.times))
    say(f"{found.others_cores} cores were busy with something else")


def one_by_one(service: Service, arm: str, exports: int) -> None:
    """Measure exports that come one at a time, with pauses and without, and the service at rest."""
    singly.one_at_a_time(service, WARM_UP)
    print_figure("idle_cores", arm, "mean", singly.idle_cores(service, IDLE_SECONDS), "cores", n=IDLE_SECONDS)
    singles("small_export", arm, singly.one_at_a_time(service, exports, pause=1))
    singles("small_export_back_to_back", arm, singly.one_at_a_time(service, exports))


def bursts(service: Service, count: int) -> None:
    """Measure many exports at once, in proportion to a loop that only writes the same files."""
    floor = burst.plain_loop(service.stack.settings, service.user, count)
    print_figure(f"burst_{count}_s", FLOOR, "total", floor.seconds, "s", n=count)
    print_figure(f"burst_{count}_cpu_s", FLOOR, "mean", floor.cpu_seconds_each, "s", n=count)
    for name, measure_burst in (("burst", burst.stored), ("burst_posted", burst.posted)):
        found = sorted((measure_burst(service, count) for _ in range(BURSTS)), key=lambda one: one.seconds)
        middle = found[len(found) // 2]
        print_figure(f"{name}_{count}_s", OURS, "total", middle.seconds, "s", n=count)
        print_figure(f"{name}_{count}_cpu_s", OURS, "mean", middle.cpu_seconds_each, "s", n=count)
        say(f"{name}: {[(round(one.seconds, 1), one.runs, one.others_cores) for one in found]} (s, runs, other cores)")


def requests(service: Service, count: int) -> None:
    """Measure requests for exports by one caller."""
    found = singly.posts(service, count)
    print_times("post_s", OURS, found.times, (0.5, 0.99))
    print_figure("post_cpu_s", OURS, "mean", found.cpu_seconds_each, "s", n=count)


def sizes(service: Service, exports: int, suffix: str = "") -> None:
    """Measure what should stay as quick as it is, however much there is: ticks, statuses, launches, exports.

    Args:
        suffix: Of the names of figures, for a database that is not nearly empty.
    """
    settings = service.stack.settings.model_copy(update={"database_url": service.stack.database_url})
    services = sensor_services(settings)
    with services.pending_signal() as signal:
        ticks = timed(lambda: services.launch_planner.wait(signal, 0))
    services.close()
    since = service.scalar("SELECT now()")
    single = singly.one_at_a_time(service, exports, pause=2)
    job_id = service.ended(service.ask())["job_id"]
    print_times(f"tick_s{suffix}", OURS, ticks, (0.5,))
    times = timed(lambda: service.client.get(f"/exports/{job_id}").raise_for_status())
    print_times(f"status_get_s{suffix}", OURS, times, (0.5, 0.99))
    print_times(f"small_export_pause_2_s{suffix}", OURS, single.times)
    print_figure(f"row_to_run_s{suffix}", OURS, "p50", service.scalar(LAUNCHED, since=since), "s", n=exports)


def measure(service: Service, arguments: argparse.Namespace) -> None:
    """Measure everything about our own service."""
    since = service.scalar("SELECT now()")
    one_by_one(service, OURS, arguments.exports)
    for share in (0.5, 0.95):
        seconds = service.scalar(READ_BACK, since=since, share=share)
        print_figure("event_to_row_s", OURS, f"p{round(100 * share)}", seconds, "s", n=arguments.exports)
    requests(service, min(REPEAT, arguments.burst))
    sizes(service, arguments.exports // 2)
    bursts(service, arguments.burst)
    backfills(backfill.backfill(service, arguments.backfill))
    filling.fill(service.engine, service.ended(service.ask())["job_id"], arguments.partitions, arguments.rows)
    sizes(service, arguments.exports // 2, f"_at_{service.scalar(PARTITIONS)}_partitions_{service.scalar(ROWS)}_rows")


def backfills(found: backfill.Backfill) -> None:
    """Print the figures of a backfill."""
    if found.failed:
        raise RuntimeError(f"{found.failed} runs of the backfill failed.")
    count = found.exports
    print_figure(f"backfill_{count}_s", OURS, "total", found.seconds, "s", n=count)
    print_figure(f"backfill_{count}_runs_per_s", OURS, "mean", count / found.seconds, "1/s", n=count)
    print_figure(f"backfill_{count}_cpu_s", OURS, "mean", found.cpu_seconds_each, "s", n=count)
    new = found.new_export_seconds
    print_figure(f"backfill_{count}_new_export_s", OURS, "p50", statistics.median(new), "s", n=len(new))
    print_figure(f"backfill_{count}_new_export_s", OURS, "max", max(new), "s", n=len(new))


PARTITIONS = "SELECT count(*) FROM dagster.dynamic_partitions"
ROWS = "SELECT count(*) FROM jobs"
READ_BACK = """
    SELECT percentile_cont(:share) WITHIN GROUP (
        ORDER BY extract(epoch FROM jobs.completed_at - events.timestamp AT TIME ZONE 'UTC'))
    FROM jobs JOIN dagster.event_logs AS events ON events.partition = jobs.id::text
    WHERE jobs.created_at > :since AND events.dagster_event_type = 'ASSET_MATERIALIZATION'
"""
"""Time from the event that an export was published to its row, in seconds."""

LAUNCHED = """
    SELECT percentile_cont(0.5) WITHIN GROUP (
        ORDER BY extract(epoch FROM runs.create_timestamp AT TIME ZONE 'UTC' - jobs.created_at))
    FROM jobs JOIN dagster.runs ON runs.run_id = jobs.dagster_run_id
    WHERE jobs.created_at > :since AND runs.pipeline_name = 'export'
"""
"""Median time from the row to the run that a sensor asked for, of exports with runs of their own, in seconds."""


def main() -> None:
    """Read the sizes, and go."""
    parser = argparse.ArgumentParser(prog="benchmarks.launch", description=__doc__)
    parser.add_argument("--exports", type=int, default=40, help="exports one at a time")
    parser.add_argument("--burst", type=int, default=1000, help="exports at once")
    parser.add_argument("--backfill", type=int, default=200, help="exports that are made again by one backfill")
    parser.add_argument("--naive", type=int, default=5, help="exports one at a time, with Dagster as it comes")
    parser.add_argument("--partitions", type=int, default=100_000, help="live exports that are there already")
    parser.add_argument("--rows", type=int, default=1_000_000, help="exports that are in the table already")
    say_what_is_busy()
    compare(parser.parse_args())


if __name__ == "__main__":
    main()
