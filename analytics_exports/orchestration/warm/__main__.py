"""The pool of run workers as a program, set up from the settings. SIGTERM and SIGINT end it in good order."""

import os
import signal
from collections.abc import Sequence
from types import FrameType

from analytics_exports.observability import configure_logging
from analytics_exports.orchestration.warm.code import Code
from analytics_exports.orchestration.warm.pool import Patience, Pool
from analytics_exports.orchestration.warm.protocol import socket_path
from analytics_exports.orchestration.warm.staff import Staff
from analytics_exports.orchestration.warm.template import Options
from analytics_exports.settings import Settings

IMPORTS = (
    "analytics_exports.definitions",
    "analytics_exports.orchestration.storage",
    "analytics_exports.orchestration.warm.launcher",
    "analytics_exports.database.jobs",
    "analytics_exports.gateway.dagster_gateway",
    "dagster._core.storage.noop_compute_log_manager",
    "duckdb",
)
"""Imported once, before the fork. What starts threads is left to ``WARM_UP``."""

WARM_UP = "analytics_exports.orchestration.resources:warm_up"


EVENTS_IN_A_BATCH = "100"
"""Dagster's switch for storing events that come in batches together; off unless it is set."""


def main(
    imports: Sequence[str] = IMPORTS,
    warm_up: str = WARM_UP,
    packages: Sequence[str] = ("analytics_exports",),
    patience: Patience | None = None,
) -> None:
    """Serve until a signal says to stop.

    Args:
        imports, warm_up: See ``template.Options``.
        packages: Whose changes on the disk make the workers start anew.
        patience: How long runs may take to end; as the settings say unless given.
    """
    configure_logging()
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", EVENTS_IN_A_BATCH)
    settings = Settings()
    options = Options(imports, warm_up, settings.runs_per_worker, settings.run_worker_bytes)
    staff = Staff(settings.run_workers, options, Code(packages))
    patience = patience or Patience(stop=settings.run_drain_seconds)
    pool = Pool(socket_path(settings.state_dir), staff, patience)

    def stop(_number: int, _frame: FrameType | None) -> None:
        pool.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    pool.serve()


if __name__ == "__main__":
    main()
