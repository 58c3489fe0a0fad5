"""A real pool of run workers for tests, and a Dagster instance that launches on it."""

import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from dagster import DagsterEventType, DagsterInstance, DagsterRun, DagsterRunStatus
from dagster._core.definitions.reconstruct import ReconstructableJob, ReconstructableRepository
from dagster._core.remote_origin import GrpcServerCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.run_coordinator import SubmitRunContext

from analytics_exports.settings import Settings
from analytics_exports.stack.environment import child_environment
from analytics_exports_tests.waiting import LIMIT_SECONDS, until

REPOSITORY = Path(__file__).parents[1]
MAIN = """
import sys
from analytics_exports.orchestration.warm.__main__ import main
from analytics_exports.worker_pool.pool_server import GracePeriods
imports = ["analytics_exports.orchestration.storage", sys.argv[1]]
main(imports, warm_up="", packages=sys.argv[1:], grace=GracePeriods(cancel=1.0, stop=0.5))
"""

NOWHERE = GrpcServerCodeLocationOrigin(host="localhost", port=1)
"""A code server that nobody asks: the workers load the code themselves."""

EMPTY: Mapping[str, int] = {}


class Workers:
    """The pool as a process of its own, the instance, and the jobs of one module."""

    def __init__(self, environment: Mapping[str, str], state: Path, module: str, folder: Path) -> None:
        self.instance = DagsterInstance.get()
        self.log = state / "run-workers.log"
        self._environment = environment
        self._module = module
        self._folder = folder
        self._pool: subprocess.Popen[bytes] | None = None

    @property
    def pool(self) -> psutil.Process:
        assert self._pool is not None
        return psutil.Process(self._pool.pid)

    def start(self) -> None:
        command = [sys.executable, "-c", MAIN, self._module]
        with self.log.open("ab") as log:
            self._pool = subprocess.Popen(command, cwd=REPOSITORY, env=dict(self._environment), stderr=log)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self._pool is not None
        self._pool.send_signal(number)
        return self._pool.wait(LIMIT_SECONDS)

    def launch(self, job: str, **tags: str) -> str:
        """Submit a run; returns its id."""
        run = self.create(job, **tags)
        self.submit(run)
        return run.run_id

    def create(self, job: str, **tags: str) -> DagsterRun:
        """A run that was not submitted to the pool."""
        return self.instance.create_run_for_job(
            self._job(job).get_definition(),
            job_code_origin=self._job(job).get_python_origin(),
            remote_job_origin=RemoteJobOrigin(RemoteRepositoryOrigin(NOWHERE, "toys"), job),
            tags=tags,
        )

    def submit(self, run: DagsterRun) -> None:
        self.instance.run_coordinator.submit_run(SubmitRunContext(run, None))  # type: ignore[arg-type]

    def status(self, run_id: str) -> DagsterRunStatus:
        run = self.instance.get_run_by_id(run_id)
        assert run is not None
        return run.status

    def ended(self, run_id: str) -> DagsterRunStatus:
        """How a run ends."""

        def look() -> DagsterRunStatus | None:
            run = self.instance.get_run_by_id(run_id)
            return run.status if run and run.is_finished else None

        return until(look)

    def begun(self, run_id: str) -> psutil.Process:
        """The worker of a run, once its step has begun."""
        until(lambda: self.instance.all_logs(run_id, of_type=DagsterEventType.STEP_START))
        return psutil.Process(self.worker(run_id))

    def worker(self, run_id: str) -> int:
        """The process id that a run has noted of its worker."""
        (text,) = [text for text in self.messages(run_id) if text.startswith("Started process for run")]
        return int(text.removeprefix("Started process for run (pid: ").removesuffix(")."))

    def messages(self, run_id: str) -> list[str]:
        return [str(entry.message) for entry in self.instance.all_logs(run_id)]

    def processes(self) -> list[psutil.Process]:
        """The fork server and its workers."""
        return list(self.pool.children(recursive=True))

    def _job(self, name: str) -> ReconstructableJob:
        repository = ReconstructableRepository.for_module(self._module, "defs", str(self._folder))
        return repository.get_reconstructable_job(name)


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended; one that nobody has waited for yet has."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@contextmanager
def run_workers(
    database_url: str, state: Path, module: str, folder: Path = REPOSITORY, settings: Mapping[str, int] = EMPTY
) -> Iterator[Workers]:
    """A running pool over an empty database, for the jobs of ``module`` in ``folder``."""
    environment = child_environment(Settings(state_dir=state, **dict(settings)), database_url)  # type: ignore[arg-type]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        home = state / "dagster"
        home.mkdir(parents=True)
        shutil.copy(REPOSITORY / "dagster.yaml", home)
        workers = Workers(environment, state, module, folder)
        workers.start()
        try:
            yield workers
        finally:
            workers.stop(signal.SIGKILL)
            workers.instance.dispose()
