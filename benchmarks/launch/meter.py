"""Processor time: what the service used, and what everybody else on the machine did meanwhile."""

import os
import time

import psutil


class Meter:
    """Measures from when it is made.

    The time of a process that ends goes to the one that waits for it, so that nothing is counted twice and little lost.
    """

    def __init__(self) -> None:
        """Begin."""
        self._began = time.perf_counter()
        self._service, self._client, self._machine = _service(), time.process_time(), _machine()

    @property
    def seconds(self) -> float:
        """Time since the beginning."""
        return time.perf_counter() - self._began

    @property
    def used(self) -> float:
        """Processor seconds of the service: every process below this one, which is its caller and is left out."""
        return _service() - self._service

    @property
    def others(self) -> float:
        """Processors that were kept busy by what does not belong to the service or its caller; 0 on a quiet machine."""
        mine = self.used + time.process_time() - self._client
        return max(0.0, round((_machine() - self._machine - mine) / self.seconds, 2))


def _machine() -> float:
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0) - getattr(times, "guest", 0))


def _service() -> float:
    return sum(map(_process, psutil.Process(os.getpid()).children(recursive=True)))


def _process(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system + times.children_user + times.children_system)
