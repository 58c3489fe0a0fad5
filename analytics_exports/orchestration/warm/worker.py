"""A run worker: one process that executes one Dagster run after another, and exits when it reaches a limit.

It executes runs as Dagster's own containers do (``_execute_run_command_body``), so that events, failures and
cancellation are Dagster's. Interrupts are captured for the whole life of the process: one that arrives just before a
run is not lost, and the pool never reuses a worker that it has interrupted.
"""

import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from multiprocessing.connection import Connection

from dagster import DagsterEvent, DagsterEventType, DagsterInstance, DagsterRunStatus
from dagster._cli.api import _execute_run_command_body
from dagster._utils.interrupts import capture_interrupts

from analytics_exports.orchestration.warm.protocol import Message, receive, send

logger = logging.getLogger(__name__)

NOT_STARTED_STATUSES = (DagsterRunStatus.NOT_STARTED, DagsterRunStatus.QUEUED)
MARK_FAILED_ATTEMPTS, MARK_FAILED_PAUSE_SECONDS = 30, 1.0


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """When a worker is replaced: after so many runs, or with more than ``memory`` resident bytes after a run."""

    runs: int
    memory: int


def run_worker(connection: Connection, warm_up: Callable[[], object], limits: WorkerLimits) -> None:
    """Execute tasks until the pool closes the connection, asks the worker to exit, or a limit is reached."""
    with capture_interrupts(), DagsterInstance.get() as instance:
        _warm(warm_up)
        send(connection, {"ready": os.getpid()})
        for number in count(1):
            try:
                message = receive(connection)
            except ConnectionError:
                return
            if message["do"] == "exit":
                return
            _perform_task(instance, message)
            last = number >= limits.runs or resident_bytes() > limits.memory
            send(connection, {"done": message["run_id"], "last": last})
            if last:
                return


def _warm(warm_up: Callable[[], object]) -> None:
    """Call ``warm_up``. A failure is only logged: its cause shows in the runs themselves."""
    try:
        warm_up()
    except Exception:
        logger.exception("A run worker could not be warmed up")


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


def resident_bytes() -> int:
    """Resident memory of this process in bytes; 0 where the system does not report it."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - the quickest way
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
