"""The run coordinator that ``dagster.yaml`` names beside the launcher: a run is queued until a worker has it.

Dagster's own either call a run that waits for a worker "starting", and declare it failed when that takes long, or leave
it to a daemon that looks every few seconds. Here the pool keeps the queue, and a worker says that a run starts.
"""

from datetime import timedelta

from dagster import DagsterEvent, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter
from dagster._core.events import EngineEventData
from dagster._core.launcher import LaunchRunContext
from dagster._core.run_coordinator import DefaultRunCoordinator, SubmitRunContext
from dagster._time import get_current_datetime

OVERLOOKED = timedelta(minutes=1)
"""A run that is queued for so long is handed over once more: who submitted it may have been killed before."""

PAGE = 100


class PoolRunCoordinator(DefaultRunCoordinator):
    """Hands runs to the launcher at once, as queued."""

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Hand a new run over; nothing happens to one that was submitted before.

        Raises:
            TimeoutError: there is no pool; the run has failed.
        """
        run = context.dagster_run
        if run.status is DagsterRunStatus.NOT_STARTED:
            self._instance.report_dagster_event(DagsterEvent.job_enqueue(run), run.run_id)
            try:
                self._instance.run_launcher.launch_run(LaunchRunContext(run, context.workspace))
            except Exception:
                self._instance.report_engine_event("No run worker took this run.", run, EngineEventData())
                self._instance.report_run_failed(run)
                raise
        return self._instance.get_run_by_id(run.run_id) or run


def submit_overlooked(instance: DagsterInstance) -> None:
    """Hand over again what has long been queued. The pool takes no run twice that it has in hand."""
    if isinstance(instance.run_coordinator, PoolRunCoordinator):
        long_ago = get_current_datetime() - OVERLOOKED
        queued = RunsFilter(statuses=[DagsterRunStatus.QUEUED], created_before=long_ago)
        for run in instance.get_runs(queued, limit=PAGE, ascending=True):
            instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))
