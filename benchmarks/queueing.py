"""How long exports wait for a worker: a formula, and a simulation that checks it.

    python -m benchmarks.queueing [--exports 200000]

Requests come at random (Poisson) and take the time of a lognormal distribution with the given mean and coefficient of
variation; workers take them in order. The formula is Erlang's C with the correction of Allen and Cunneen for service
times that vary. One JSON line for each case.
"""

import argparse
import heapq
import math
import random
import statistics
from dataclasses import dataclass

from benchmarks.figures import OURS, print_figure, print_times


@dataclass(frozen=True)
class Load:
    """What comes and what it takes: exports a minute, seconds for one on average, variation, and workers."""

    per_minute: float
    seconds: float
    variation: float
    workers: int

    @property
    def busy(self) -> float:
        """The share of the workers' time that is used; they fall behind for ever at 1."""
        return self.per_minute / 60 * self.seconds / self.workers


def expected_wait(load: Load) -> float:
    """Seconds an export waits on average, by the formula."""
    offered, workers = load.busy * load.workers, load.workers
    if load.busy >= 1:
        return math.inf
    blocked = 1.0
    for count in range(1, workers + 1):  # Erlang's B, by its recursion
        blocked = offered * blocked / (count + offered * blocked)
    waits = blocked / (1 - load.busy * (1 - blocked))
    return waits * load.seconds / (workers * (1 - load.busy)) * (1 + load.variation**2) / 2


def workers_for(per_minute: float, seconds: float, variation: float, wait: float) -> int:
    """The fewest workers with which exports wait no longer than ``wait`` seconds on average."""
    workers = math.ceil(per_minute / 60 * seconds) or 1
    while expected_wait(Load(per_minute, seconds, variation, workers)) > wait:
        workers += 1
    return workers


def simulated_waits(load: Load, exports: int, seed: int = 1) -> list[float]:
    """Seconds that each of so many exports waited."""
    chance = random.Random(seed)
    sigma = math.sqrt(math.log(1 + load.variation**2))
    mu = math.log(load.seconds) - sigma**2 / 2
    free, now, waits = [0.0] * load.workers, 0.0, []
    for _ in range(exports):
        now += chance.expovariate(load.per_minute / 60)
        begin = max(now, free[0])
        waits.append(begin - now)
        heapq.heapreplace(free, begin + chance.lognormvariate(mu, sigma))
    return waits


def main() -> None:
    """Print every case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--exports", type=int, default=200_000)
    arguments = parser.parse_args()
    for per_minute, seconds, variation in ((10, 3, 1.5), (100, 3, 1.5), (1_000, 3, 1.5), (10_000, 3, 1.5)):
        load = Load(per_minute, seconds, variation, workers_for(per_minute, seconds, variation, wait=1))
        waits = simulated_waits(load, arguments.exports)
        at = f"at_{per_minute}_a_minute"
        print_figure(f"workers_{at}", OURS, "total", load.workers, "workers", n=1)
        print_figure(f"queue_wait_s_{at}", "formula", "mean", expected_wait(load), "s", n=1)
        print_figure(f"queue_wait_s_{at}", "simulation", "mean", statistics.fmean(waits), "s", n=len(waits))
        print_times(f"queue_wait_s_{at}", "simulation", waits, (0.99,))


if __name__ == "__main__":
    main()
