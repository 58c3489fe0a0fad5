"""Exports one at a time: each is asked for when the one before is downloaded, at once or after a pause."""

import random
import statistics
import time
from typing import Any

from benchmarks.launch.meter import Meter
from benchmarks.launch.stacks import Service


def one_at_a_time(service: Service, count: int, pause: float = 0) -> dict[str, Any]:
    """Measure ``count`` exports with random pauses of ``pause`` seconds on average between them.

    Returns:
        Seconds from the request to the last byte, and processor seconds for each export, the pauses included.
    """
    chance, meter = random.Random(1), Meter()
    times = []
    for _ in range(count):
        time.sleep(chance.uniform(0, 2 * pause))
        times.append(service.export())
    used, others = meter.used, meter.others
    ordered = sorted(times)
    return {
        "exports": count,
        "mean_pause_s": pause,
        "p50_s": round(statistics.median(ordered), 3),
        "p95_s": round(ordered[min(count - 1, round(0.95 * count))], 3),
        "max_s": round(ordered[-1], 3),
        "cpu_s_per_export": round(used / count, 3),
        "others_cores": others,
    }


def idle(seconds: float) -> dict[str, Any]:
    """What the service uses when nobody asks for anything."""
    meter = Meter()
    time.sleep(seconds)
    return {"seconds": seconds, "service_cores": round(meter.used / seconds, 3), "others_cores": meter.others}
