"""Exports one at a time: each is asked for when the one before is downloaded, at once or after a pause."""

import random
import time
from dataclasses import dataclass

from benchmarks.launch.meter import Meter
from benchmarks.launch.stacks import Service


@dataclass(frozen=True)
class Singles:
    """Seconds from each request to the last byte, and processor seconds for each export, the pauses included."""

    times: list[float]
    cpu_seconds_each: float
    others_cores: float


@dataclass(frozen=True)
class Posts:
    """Seconds of each POST, and processor seconds of the API for each, with what else it does meanwhile."""

    times: list[float]
    cpu_seconds_each: float


def one_at_a_time(service: Service, count: int, pause: float = 0) -> Singles:
    """Measure ``count`` exports with random pauses of ``pause`` seconds on average between them."""
    chance, meter = random.Random(1), Meter()
    times = []
    for _ in range(count):
        time.sleep(chance.uniform(0, 2 * pause))
        times.append(service.export())
    return Singles(times, meter.used / count, meter.others)


def posts(service: Service, count: int) -> Posts:
    """Measure requests for exports, one after the other, which are made meanwhile."""
    before, times = service.api_cpu_seconds(), []
    for _ in range(count):
        began = time.perf_counter()
        service.ask()
        times.append(time.perf_counter() - began)
    return Posts(times, (service.api_cpu_seconds() - before) / count)


def idle_cores(service: Service, seconds: float) -> float:
    """How many cores the service keeps busy when nobody asks for anything."""
    service.client.get("/me").raise_for_status()
    time.sleep(2)
    meter = Meter()
    time.sleep(seconds)
    return meter.used / seconds
