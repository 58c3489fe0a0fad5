"""Metrics for Prometheus: what this process answered, and how all exports stand.

What is counted of exports comes from the database, so every API process tells the same: sum over processes only what
begins with ``analytics_exports_http``, take the maximum of the rest. ``/metrics`` names no user and no dataset.
"""

import logging
import threading
from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric

from analytics_exports.domain.errors import Unavailable
from analytics_exports.ports.figures import Ended, Figures, Stock

logger = logging.getLogger(__name__)

REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
RUN_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)

MOST_CHANGES = 20_000
"""Changes that one scrape reads; what is left waits for the next."""

STOCK = {
    "pending": "Exports that wait for a worker: the signal to scale workers by.",
    "pending_seconds": "For how long the export that waits longest has.",
    "running": "Exports that are being made.",
    "files": "Files that can be downloaded.",
    "file_bytes": "Size of these files.",
    "skipped_events": "Events of Dagster's log that could not be read back; they are tried again.",
    "overdue_seconds": "For how long the file that should be gone first is overdue.",
}


class Metrics:
    """What one API process measures."""

    def __init__(self, figures: Callable[[], Figures]) -> None:
        """Measure nothing yet; ``figures`` are asked for when they are first needed."""
        self.registry = CollectorRegistry()
        self._figures = figures
        self._position: int | None = None
        self._lock = threading.Lock()
        registry = self.registry
        labels = ["method", "route", "status"]
        self._requests = Counter("analytics_exports_http_requests", "Requests.", labels, registry=registry)
        self._seconds = Histogram(
            "analytics_exports_http_request_seconds",
            "Time until the last byte of an answer.",
            ["method", "route"],
            buckets=REQUEST_SECONDS,
            registry=registry,
        )
        self._sent = Counter("analytics_exports_http_sent_bytes", "Bytes of answers.", registry=registry)
        self._ended = Counter(
            "analytics_exports_ended", "Attempts and exports that ended.", ["status", "code"], registry=registry
        )
        self._ran = Histogram(
            "analytics_exports_run_seconds", "How long attempts ran.", buckets=RUN_SECONDS, registry=registry
        )
        self._waited = Histogram(
            "analytics_exports_wait_seconds", "Wait for a worker.", buckets=RUN_SECONDS, registry=registry
        )
        self._rows = Counter("analytics_exports_rows", "Rows of completed exports.", registry=registry)
        self._bytes = Counter("analytics_exports_written_bytes", "Bytes of completed exports.", registry=registry)
        registry.register(self)

    def answered(self, method: str, route: str, status: int, seconds: float, sent: int) -> None:
        """Count one answer."""
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)
        self._sent.inc(sent)

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry must not ask the database when it is made."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """How exports stand; only whether the database answers when it does not."""
        up = GaugeMetricFamily("analytics_exports_database_up", "Whether the database answers.")
        try:
            stock = self._figures().stock()
        except Unavailable:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from _gauges(stock)

    def follow(self) -> None:
        """Count the exports that ended since the last time; from now on, the first time."""
        with self._lock:
            try:
                if self._position is None:
                    self._position = self._figures().newest()
                self._position, ends = self._figures().ended(self._position, MOST_CHANGES)
            except Unavailable:
                return
            for end in ends:
                self._count(end)

    def _count(self, end: Ended) -> None:
        self._ended.labels(end.status, end.code).inc()
        if end.seconds is not None:
            self._ran.observe(end.seconds)
        if end.status == "completed":
            self._waited.observe(end.waited_seconds or 0)
            self._rows.inc(end.rows)
            self._bytes.inc(end.bytes)


def _gauges(stock: Stock) -> Iterator[Metric]:
    for name, meaning in STOCK.items():
        yield GaugeMetricFamily(f"analytics_exports_{name}", meaning, value=getattr(stock, name))
