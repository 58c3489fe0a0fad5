"""The Celery application that workers load.

    celery -A analytics_exports.orchestration.remote.app worker -Q dagster --concurrency 4

A worker needs the environment of the service, a ``DAGSTER_HOME`` of its own, and access to the warehouse and the dbt
manifest. Tasks are acknowledged early and never redelivered: a lost export is found by its lease and launched again.
"""

import os
from collections.abc import Callable
from importlib import import_module

from celery import Celery
from celery.signals import setup_logging, worker_process_init
from dagster_celery.make_app import make_app
from dagster_celery.tasks import create_execute_job_task

from analytics_exports.observability import configure_logging
from analytics_exports.orchestration.resources import warm_up
from analytics_exports.settings import PREFIX

BROKER, RESULTS = f"{PREFIX}BROKER_URL", f"{PREFIX}RESULTS_URL"
RUNS_PER_PROCESS = 500
RUN_IMPORTS = ("analytics_exports.definitions", "polars")

_make: Callable[..., Celery] = make_app
app = _make({"broker": os.environ[BROKER], "backend": os.environ.get(RESULTS) or os.environ[BROKER]})
app.conf.update(
    broker_connection_retry_on_startup=True,
    result_expires=7200,
    task_track_started=True,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_max_tasks_per_child=RUNS_PER_PROCESS,
    worker_prefetch_multiplier=1,
)

execute_job = create_execute_job_task(app)


def _log(**_: object) -> None:
    """Configure logging as in every other process of the service."""
    configure_logging()


def _warm_up(**_: object) -> None:
    """Import in advance what the first run of a process would otherwise wait for."""
    for module in RUN_IMPORTS:
        import_module(module)
    warm_up()


setup_logging.connect(_log)
worker_process_init.connect(_warm_up)
