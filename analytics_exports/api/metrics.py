"""Prometheus metrics: the responses of this process, and the state of all exports.

Statistics about exports come from the database, so every API process reports the same: sum over processes only what
begins with ``analytics_exports_http``, and take the maximum of the rest. Metrics name no user and no dataset.
"""

import logging
import threading
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric

from analytics_exports.domain.errors import Unavailable
from analytics_exports.ports.stats import FinishedExport, QueueSnapshot, Stats

logger = logging.getLogger(__name__)

REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
RUN_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)

MAX_CHANGES = 20_000
"""Changes read in one scrape; the rest is read by the next."""

GAUGES = {
    "pending": "Exports that wait for a worker: the signal to scale workers by.",
    "pending_seconds": "For how long the export that waits longest has.",
    "running": "Exports that are being made.",
    "files": "Files that can be downloaded.",
    "file_bytes": "Size of these files.",
    "skipped_events": "Events of Dagster's log that could not be applied; they are retried.",
    "overdue_seconds": "For how long the file that should be gone first is overdue.",
}


class Metrics:
    """The metrics of one API process."""

    def __init__(self, stats: Stats) -> None:
        """Begin at zero."""
        self.registry = CollectorRegistry()
        self._stats = stats
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

    def record_response(self, method: str, route: str, status: int, seconds: float, sent: int) -> None:
        """Count one response."""
        self._requests.labels(method, route, status).inc()
        self._seconds.labels(method, route).observe(seconds)
        self._sent.inc(sent)

    def describe(self) -> Iterator[Metric]:
        """Describe nothing: the registry must not query the database when it is created."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """The state of all exports; without the database, only that it is down."""
        up = GaugeMetricFamily("analytics_exports_database_up", "Whether the database answers.")
        try:
            snapshot = self._stats.snapshot()
        except Unavailable:
            up.add_metric([], 0)
            yield up
            return
        up.add_metric([], 1)
        yield up
        yield from _gauges(snapshot)

    def count_finished(self) -> None:
        """Count the exports that ended since the last call; the first call only sets the position."""
        with self._lock:
            try:
                if self._position is None:
                    self._position = self._stats.latest_position()
                self._position, ends = self._stats.finished_after(self._position, MAX_CHANGES)
            except Unavailable:
                return
            for end in ends:
                self._count(end)

    def _count(self, end: FinishedExport) -> None:
        self._ended.labels(end.status, end.code).inc()
        if end.seconds is not None:
            self._ran.observe(end.seconds)
        if end.status == "completed":
            self._waited.observe(end.waited_seconds or 0)
            self._rows.inc(end.rows)
            self._bytes.inc(end.bytes)


def _gauges(snapshot: QueueSnapshot) -> Iterator[Metric]:
    for name, meaning in GAUGES.items():
        yield GaugeMetricFamily(f"analytics_exports_{name}", meaning, value=getattr(snapshot, name))
