"""The run launcher that sends runs to Celery: that of ``dagster-celery``, with cancellation and health checks."""

from typing import Any

from celery.exceptions import CeleryError
from dagster import DagsterRun, DagsterRunStatus
from dagster._core.launcher import CheckRunHealthResult, WorkerStatus
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG
from kombu.exceptions import OperationalError

PING_SECONDS = 3.0
"""How long a worker may take to answer a ping, in seconds; a busy worker answers as quickly as an idle one."""


class RemoteRunLauncher(CeleryRunLauncher):
    """Takes the configuration of ``CeleryRunLauncher``."""

    def terminate(self, run_id: str) -> bool:
        """Stop a run. Returns whether it had not ended yet. It ends as cancelled, whether it had started or not."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        waiting = run.status is not DagsterRunStatus.STARTED
        self._instance.report_run_canceling(run)
        task_id = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        if task_id is not None:
            self.celery.control.revoke(task_id, terminate=True)
        if waiting:
            self._instance.report_run_canceled(run, "Nobody had begun with this run.")
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the worker of a run is alive: Celery itself does not detect that a machine is gone."""
        task_id = run.tags.get(DAGSTER_CELERY_TASK_ID_TAG)
        if task_id is None:
            return CheckRunHealthResult(WorkerStatus.UNKNOWN, "The run was not handed over yet.")
        try:
            result = self.celery.AsyncResult(task_id)
            if result.state == "STARTED" and not self._answers(result.info):
                return CheckRunHealthResult(WorkerStatus.NOT_FOUND, "The worker of this run does not answer.")
        except (CeleryError, OperationalError, OSError):
            return CheckRunHealthResult(WorkerStatus.UNKNOWN, "The broker does not answer.")
        return super().check_run_worker_health(run)

    def _answers(self, info: Any) -> bool:  # noqa: ANN401 - whatever a worker noted of itself
        host = info.get("hostname") if isinstance(info, dict) else None
        return host is None or bool(self.celery.control.ping(destination=[host], timeout=PING_SECONDS))
