"""The Dagster run launcher that submits runs to the worker pool of this machine.

``dagster.yaml`` names it; each Dagster process makes one. Replacing it by Dagster's own launcher, or by the one for
Celery or Kubernetes, is a change of that entry.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from dagster import DagsterInstance, DagsterRun, Field, StringSource
from dagster._core.launcher import CheckRunHealthResult, LaunchRunContext, RunLauncher, WorkerStatus
from dagster._core.storage.tags import BACKFILL_ID_TAG
from dagster._serdes import ConfigurableClass, ConfigurableClassData

from analytics_exports.worker_pool.protocol import send_request, socket_path

LAUNCH_SECONDS = 20.0
"""How long a launch waits for a pool that is restarting, in seconds."""

PAUSE_SECONDS = 0.2
NO_WORKER = "No run worker has this run."


class WarmRunLauncher(RunLauncher[DagsterInstance], ConfigurableClass):
    """Submits runs to the pool of the configured state folder."""

    def __init__(self, state_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Use the pool whose socket is below ``state_dir``."""
        initialise: Callable[[], None] = super().__init__
        initialise()
        self._inst_data = inst_data
        self._socket = socket_path(Path(state_dir))

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """The configuration in ``dagster.yaml``."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Field]:
        """The schema of the configuration."""
        return {"state_dir": Field(StringSource, description="The state folder of the service.")}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:  # noqa: ANN401
        """Make the launcher that ``dagster.yaml`` describes."""
        return cls(config_value["state_dir"], inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Submit the run; the pool queues it until a worker is idle.

        Raises:
            TimeoutError: there is no pool, or it is shutting down.
        """
        deadline = time.monotonic() + LAUNCH_SECONDS
        while not self._submit(context.dagster_run):
            if time.monotonic() > deadline:
                raise TimeoutError("The run workers are not there.")
            time.sleep(PAUSE_SECONDS)

    def _submit(self, run: DagsterRun) -> bool:
        """Whether the pool accepted the run. After a timeout it is submitted again; the pool ignores duplicates."""
        with suppress(TimeoutError):
            return self._request("run", run.run_id, backfill=BACKFILL_ID_TAG in run.tags)
        return False

    def terminate(self, run_id: str) -> bool:
        """Interrupt the run. Returns whether it had not ended yet."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        if not self._request("cancel", run_id):
            self._instance.report_run_canceled(run, NO_WORKER)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        """True: Dagster's run monitoring finds runs whose worker is gone."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the pool has the run."""
        if self._request("has_run", run.run_id):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, NO_WORKER)

    def problem(self) -> str | None:
        """Why runs cannot be executed now, for operators; ``None`` when they can."""
        try:
            answer = send_request(self._socket, {"do": "check"})
        except (ConnectionError, FileNotFoundError, TimeoutError):
            return "The run workers are not there, or do not answer."
        return None if answer["ok"] else str(answer["problem"])

    def _request(self, what: str, run_id: str, **more: bool) -> bool:
        """The pool's response; ``False`` when there is no pool, because then there are no workers either."""
        try:
            return bool(send_request(self._socket, {"do": what, "run_id": run_id, **more})["ok"])
        except (ConnectionError, FileNotFoundError):
            return False
