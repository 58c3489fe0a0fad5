"""A run worker: one process that makes one run after another, and ends before it grows old.

It runs what Dagster's own containers run (``_execute_run_command_body``), so events, failures and cancelling are
Dagster's. An interrupt is caught from beginning to end: one that comes a moment before a run is not lost, and the pool
does not use a worker again that it has interrupted.
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

NOT_BEGUN = (DagsterRunStatus.NOT_STARTED, DagsterRunStatus.QUEUED)
BURY_ATTEMPTS, BURY_PAUSE_SECONDS = 30, 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """How old a worker may grow: in runs, and in bytes of memory after a run."""

    runs: int
    memory: int


def work(connection: Connection, warm_up: Callable[[], object], limits: Limits) -> None:
    """Do what the pool says until it hangs up or a limit is reached."""
    with capture_interrupts(), DagsterInstance.get() as instance:
        _warm(warm_up)
        send(connection, {"ready": os.getpid()})
        for number in count(1):
            try:
                message = receive(connection)
            except ConnectionError:
                return
            if message["do"] == "leave":
                return
            _perform(instance, message)
            last = number >= limits.runs or resident_bytes() > limits.memory
            send(connection, {"done": message["run_id"], "last": last})
            if last:
                return


def _warm(warm_up: Callable[[], object]) -> None:
    """A worker that cannot be warmed up works all the same; what is wrong shows in its runs, where people look."""
    try:
        warm_up()
    except Exception:
        logger.exception("A run worker could not be warmed up")


def _perform(instance: DagsterInstance, message: Message) -> None:
    run_id = message["run_id"]
    try:
        if message["do"] == "run":
            _make(instance, run_id)
        else:
            _bury(instance, run_id, message["reason"], cancelled=message["cancelled"])
    except Exception:
        logger.exception("Run %s could not be worked on", run_id)
        _bury(instance, run_id, "The run could not be worked on; the log of the run workers says why.", cancelled=False)


def _make(instance: DagsterInstance, run_id: str) -> None:
    """Make a run that has not begun; one that was handed over twice, or is cancelled already, has."""
    run = instance.get_run_by_id(run_id)
    if run is not None and run.status is DagsterRunStatus.CANCELING:
        _bury(instance, run_id, "Cancelled before a run worker had begun.", cancelled=True)
    if run is None or run.status not in (*NOT_BEGUN, DagsterRunStatus.STARTING):
        return
    if run.status in NOT_BEGUN:
        starting = DagsterEvent(event_type_value=DagsterEventType.RUN_STARTING.value, job_name=run.job_name)
        instance.report_dagster_event(starting, run_id)
    _execute_run_command_body(run_id, instance, lambda _: None, set_exit_code_on_failure=False)


def _bury(instance: DagsterInstance, run_id: str, reason: str, *, cancelled: bool) -> None:
    """Declare a run ended that nobody works on. The database may be away with whatever caused that."""
    for _ in range(BURY_ATTEMPTS):
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
            time.sleep(BURY_PAUSE_SECONDS)
        else:
            return


def resident_bytes() -> int:
    """Memory that this process occupies now; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:  # noqa: PTH123 - the quickest way
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
