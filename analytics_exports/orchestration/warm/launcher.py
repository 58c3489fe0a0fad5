"""The run launcher that ``dagster.yaml`` names: it hands runs to the pool of warm workers on this machine.

Daemon, web page and code server each make one. Swapping it for Dagster's own, Celery's or Kubernetes' launcher is a
matter of that one entry.
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

from analytics_exports.orchestration.warm.protocol import ask, socket_path

LAUNCH_SECONDS = 20.0
"""How long a launch waits for a pool that is being started again."""

PAUSE_SECONDS = 0.2
NOBODY = "No run worker has this run."


class WarmRunLauncher(RunLauncher[DagsterInstance], ConfigurableClass):
    """Speaks to the pool of the state folder it is configured with."""

    def __init__(self, state_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        """Launch on the pool whose socket is below ``state_dir``."""
        initialise: Callable[[], None] = super().__init__
        initialise()
        self._inst_data = inst_data
        self._socket = socket_path(Path(state_dir))

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """What ``dagster.yaml`` said."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Field]:
        """What may be configured."""
        return {"state_dir": Field(StringSource, description="The state folder of the service.")}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Self:  # noqa: ANN401
        """Make the launcher that ``dagster.yaml`` describes."""
        return cls(config_value["state_dir"], inst_data)

    def launch_run(self, context: LaunchRunContext) -> None:
        """Hand the run over; the pool keeps it until a worker is free.

        Raises:
            TimeoutError: there is no pool, or it is about to stop.
        """
        deadline = time.monotonic() + LAUNCH_SECONDS
        while not self._hand_over(context.dagster_run):
            if time.monotonic() > deadline:
                raise TimeoutError("The run workers are not there.")
            time.sleep(PAUSE_SECONDS)

    def _hand_over(self, run: DagsterRun) -> bool:
        """Whether the pool has the run. One that does not answer in time may have it: it takes a run once."""
        with suppress(TimeoutError):
            return self._ask("run", run.run_id, backfill=BACKFILL_ID_TAG in run.tags)
        return False

    def terminate(self, run_id: str) -> bool:
        """Interrupt the run; whether it had not ended already."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished:
            return False
        self._instance.report_run_canceling(run)
        if not self._ask("cancel", run_id):
            self._instance.report_run_canceled(run, NOBODY)
        return True

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes: run monitoring finds runs that nobody works on."""
        return True

    def check_run_worker_health(self, run: DagsterRun) -> CheckRunHealthResult:
        """Whether the pool has the run in hand."""
        if self._ask("look", run.run_id):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, NOBODY)

    def problem(self) -> str | None:
        """Why the run workers cannot work now, for operators; ``None`` when they can."""
        try:
            answer = ask(self._socket, {"do": "check"})
        except (ConnectionError, FileNotFoundError, TimeoutError):
            return "The run workers are not there, or do not answer."
        return None if answer["ok"] else str(answer["problem"])

    def _ask(self, what: str, run_id: str, **more: bool) -> bool:
        """The pool's answer; no, when there is no pool, because then there are no workers either."""
        try:
            return bool(ask(self._socket, {"do": what, "run_id": run_id, **more})["ok"])
        except (ConnectionError, FileNotFoundError):
            return False
