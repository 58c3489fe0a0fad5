"""Run the worker pool as a program, configured from the settings. SIGTERM and SIGINT stop it gracefully."""

import os
import signal
from collections.abc import Sequence
from types import FrameType

from analytics_exports.observability import configure_logging
from analytics_exports.settings import Settings
from analytics_exports.worker_pool.fork_server import ForkServerOptions
from analytics_exports.worker_pool.pool import WorkerPool
from analytics_exports.worker_pool.pool_server import GracePeriods, PoolServer
from analytics_exports.worker_pool.protocol import socket_path
from analytics_exports.worker_pool.source_fingerprint import SourceFingerprint

IMPORTS = (
    "analytics_exports.definitions",
    "analytics_exports.orchestration.storage",
    "analytics_exports.orchestration.warm.launcher",
    "analytics_exports.bootstrap.sensor",
    "analytics_exports.services.batch_production",
    "dagster._core.storage.noop_compute_log_manager",
    "duckdb",
)
"""Modules imported once, before the fork. Modules that start threads when imported are left to ``WARM_UP``."""

EXECUTOR = "analytics_exports.orchestration.warm.runs:dagster_runs"
WARM_UP = "analytics_exports.orchestration.resources:warm_up"

EVENTS_IN_A_BATCH = "100"
"""Value of Dagster's setting for storing the events of a batch in one transaction; it is off by default."""


def main(
    imports: Sequence[str] = IMPORTS,
    warm_up: str = WARM_UP,
    packages: Sequence[str] = ("analytics_exports",),
    grace: GracePeriods | None = None,
) -> None:
    """Serve until a signal arrives.

    Args:
        imports, warm_up: See ``fork_server.ForkServerOptions``.
        packages: Top-level packages; when their source changes, workers are replaced.
        grace: How long runs may take to end; from the settings by default.
    """
    configure_logging()
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENTS_IN_A_BATCH)
    settings = Settings()
    options = ForkServerOptions(imports, EXECUTOR, warm_up, settings.runs_per_worker, settings.run_worker_bytes)
    workers = WorkerPool(settings.run_workers, options, SourceFingerprint(packages))
    grace = grace or GracePeriods(stop=settings.run_drain_seconds)
    pool = PoolServer(socket_path(settings.state_dir), workers, grace)

    def stop(_number: int, _frame: FrameType | None) -> None:
        pool.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    pool.serve()


if __name__ == "__main__":
    main()
