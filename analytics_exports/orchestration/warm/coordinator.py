"""The Dagster run coordinator named in ``dagster.yaml``: a run stays queued until a worker starts it.

Dagster's default coordinator calls a run that waits for a worker "starting" and fails it after a while; its queued
coordinator polls every few seconds. Here the pool keeps the queue, and the worker reports that the run starts.
"""

from datetime import timedelta

from dagster import DagsterEvent, DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter
from dagster._core.events import EngineEventData
from dagster._core.launcher import LaunchRunContext
from dagster._core.run_coordinator import DefaultRunCoordinator, SubmitRunContext
from dagster._time import get_current_datetime

RESUBMIT_AFTER = timedelta(minutes=1)
"""A run that is queued for longer is submitted once more: its submitter may have been killed."""

PAGE = 100


class PoolRunCoordinator(DefaultRunCoordinator):
    """Passes runs to the launcher at once, in the status queued."""

    def submit_run(self, context: SubmitRunContext) -> DagsterRun:
        """Submit a new run; a run that was submitted before is left as it is.

        Raises:
            TimeoutError: there is no pool; the run is marked as failed.
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


def resubmit_queued(instance: DagsterInstance) -> None:
    """Submit runs that have been queued for long once more. The pool ignores those that it has."""
    if isinstance(instance.run_coordinator, PoolRunCoordinator):
        long_ago = get_current_datetime() - RESUBMIT_AFTER
        queued = RunsFilter(statuses=[DagsterRunStatus.QUEUED], created_before=long_ago)
        for run in instance.get_runs(queued, limit=PAGE, ascending=True):
            instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))
