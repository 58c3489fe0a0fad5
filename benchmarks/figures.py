"""Printing figures: one JSON object a line on standard output, in the form that scripts read; the rest on the other.

{"figure": "small_export_s", "arm": "ours", "stat": "p50", "value": 0.1, "unit": "s", "n": 40}
"""

import json
import os
import sys
from collections.abc import Sequence

import psutil

OURS, NAIVE, CELERY, FLOOR = "ours", "naive", "celery", "plain_loop"
BUSY_CORES = 0.05


def print_figure(figure: str, arm: str, stat: str, value: float | None, unit: str, *, n: int) -> None:
    """Print one figure; nothing when it could not be measured."""
    if value is not None:
        line = {"figure": figure, "arm": arm, "stat": stat, "value": round(value, 5), "unit": unit, "n": n}
        print(json.dumps(line), flush=True)


def print_times(figure: str, arm: str, seconds: Sequence[float], shares: Sequence[float] = (0.5, 0.95)) -> None:
    """Print percentiles of times in seconds."""
    for share in shares:
        print_figure(figure, arm, f"p{round(100 * share)}", percentile(seconds, share), "s", n=len(seconds))


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that is at least as large as this share of them."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def say(text: str) -> None:
    """Say what goes on, apart from the figures."""
    print(text, file=sys.stderr, flush=True)


def say_what_is_busy() -> None:
    """Say which other programs keep the machine busy: figures of a busy machine are those of a slower one."""
    others = [process for process in psutil.process_iter() if process.pid != os.getpid()]
    for process in others:
        _cores(process)
    psutil.cpu_percent(interval=1)
    busy = {f"{process.name()} ({process.pid})": cores for process in others if (cores := _cores(process)) > BUSY_CORES}
    listed = ", ".join(f"{name}: {cores:.2f}" for name, cores in busy.items()) or "nothing else"
    say(f"{os.cpu_count()} cores; load {os.getloadavg()[0]:.2f}; busy before it begins: {listed}")


def _cores(process: psutil.Process) -> float:
    try:
        return float(process.cpu_percent()) / 100
    except psutil.Error:
        return 0.0
