"""Executes Dagster runs in a worker of the pool.

As Dagster's own containers do (``_execute_run_command_body``), so that events, failures and cancellation are Dagster's.
Interrupts are captured for the whole life of the process: one that arrives just before a run is not lost, and the pool
never reuses a worker that it has interrupted.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRunStatus
from dagster._cli.api import _execute_run_command_body
from dagster._utils.interrupts import capture_interrupts

from analytics_exports.worker_pool.protocol import Message

logger = logging.getLogger(__name__)

NOT_STARTED_STATUSES = (DagsterRunStatus.NOT_STARTED, DagsterRunStatus.QUEUED)
MARK_FAILED_ATTEMPTS, MARK_FAILED_PAUSE_SECONDS = 30, 1.0


@contextmanager
def dagster_runs() -> Iterator[Callable[[Message], None]]:
    """The Dagster instance of a worker, and the function that executes a run of it, or marks it as failed."""
    with capture_interrupts(), DagsterInstance.get() as instance:
        yield partial(_perform_task, instance)


def _perform_task(instance: DagsterInstance, message: Message) -> None:
    run_id = message["run_id"]
    try:
        if message["do"] == "run":
            _execute_run(instance, run_id)
        else:
            _mark_run_failed(instance, run_id, message["reason"], cancelled=message["cancelled"])
    except Exception:
        logger.exception("Run %s could not be worked on", run_id)
        _mark_run_failed(
            instance, run_id, "The run could not be worked on; the log of the run workers says why.", cancelled=False
        )


def _execute_run(instance: DagsterInstance, run_id: str) -> None:
    """Execute a run unless it has started or ended already: it may have been submitted twice, or cancelled."""
    run = instance.get_run_by_id(run_id)
    if run is not None and run.status is DagsterRunStatus.CANCELING:
        _mark_run_failed(instance, run_id, "Cancelled before a run worker had begun.", cancelled=True)
    if run is None or run.status not in (*NOT_STARTED_STATUSES, DagsterRunStatus.STARTING):
        return
    if run.status in NOT_STARTED_STATUSES:
        starting = DagsterEvent(event_type_value=DagsterEventType.RUN_STARTING.value, job_name=run.job_name)
        instance.report_dagster_event(starting, run_id)
    _execute_run_command_body(run_id, instance, lambda _: None, set_exit_code_on_failure=False)


def _mark_run_failed(instance: DagsterInstance, run_id: str, reason: str, *, cancelled: bool) -> None:
    """Mark a run as failed or cancelled. Retried: the database may be away for the same reason as the worker."""
    for _ in range(MARK_FAILED_ATTEMPTS):
        try:
            run = instance.get_run_by_id(run_id)
            if run is None or run.is_finished:
                return
            if cancelled or run.status is DagsterRunStatus.CANCELING:
                instance.report_run_canceled(run, reason)
            else:
                instance.report_engine_event(reason, run)
                instance.report_run_failed(run, reason)
        except Exception:
            logger.exception("Run %s could not be ended", run_id)
            time.sleep(MARK_FAILED_PAUSE_SECONDS)
        else:
            return
