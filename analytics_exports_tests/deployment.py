"""The services of this process on the demonstration's warehouse, a real database and a real Dagster instance."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from dagster import (
    DagsterInstance,
    ExecuteInProcessResult,
    JobDefinition,
    RepositoryDefinition,
    RunRequest,
    build_sensor_context,
)
from dagster._core.definitions.partitions.context import partition_loading_context
from sqlalchemy import Engine

from analytics_exports.artifacts import LocalArtifactStore
from analytics_exports.bootstrap.api import ApiAdapters, ApiServices, api_adapters, api_services
from analytics_exports.bootstrap.sensor import SensorServices, sensor_services
from analytics_exports.bootstrap.worker import WorkerServices, worker_services
from analytics_exports.database.engine import make_engine
from analytics_exports.ports import JobStore
from analytics_exports.settings import Settings
from analytics_exports.stack.environment import child_environment
from analytics_exports_tests.demo_warehouse import built_demo


@dataclass
class Deployment:
    """What the processes of the service use, and its Dagster instance. Tests replace fields of the services."""

    settings: Settings
    engine: Engine
    adapters: ApiAdapters
    api: ApiServices
    worker: WorkerServices
    sensor: SensorServices
    instance: DagsterInstance

    @property
    def jobs(self) -> JobStore:
        """The jobs table."""
        return self.adapters.jobs

    def project_events(self) -> None:
        """Run the event log projection once."""
        self.api.event_log_projection.catch_up()

    def tick(
        self, repository: RepositoryDefinition, number: int = 1, cursor: str | None = None
    ) -> tuple[Sequence[RunRequest], str | None]:
        """Evaluate a launch sensor as the code server does. Returns what it launches, and the cursor that is stored.

        Args:
            cursor: What Dagster has stored before.
        """
        context = build_sensor_context(
            self.instance, cursor, repository_def=repository, resources={"sensor": self.sensor}
        )
        with partition_loading_context(dynamic_partitions_store=self.instance):
            result = repository.get_sensor_def(f"launch_exports_{number}").evaluate_tick(context)
        return result.run_requests or [], result.cursor

    def execute(
        self, job: JobDefinition, config: dict[str, object], *, raise_on_error: bool = True
    ) -> ExecuteInProcessResult:
        """Run a job with a single op, which has this configuration."""
        (op,) = (node.name for node in job.nodes)
        return job.execute_in_process(
            {"ops": {op: {"config": config}}},
            instance=self.instance,
            resources={"worker": self.worker},
            raise_on_error=raise_on_error,
        )


@contextmanager
def deployed(
    folder: Path, database_url: str, repository: Path, monkeypatch: pytest.MonkeyPatch, **environment: str
) -> Iterator[Deployment]:
    """A deployment whose files are in ``folder``; ``environment`` are more variables of its processes."""
    demo = built_demo()
    settings = Settings(
        state_dir=folder,
        warehouse=demo.warehouse,
        dbt_manifest=demo.manifest,
        database_url=database_url,
        disk_reserve_bytes=0,
    )
    for name, value in {**child_environment(settings, database_url), **environment}.items():
        monkeypatch.setenv(name, value)
    home = folder / "dagster"
    home.mkdir()
    shutil.copy(repository / "dagster.yaml", home)
    LocalArtifactStore(settings.artifact_root, max_bytes=1, reserve_bytes=0).prepare()
    engine = make_engine(database_url, application="test")
    adapters = api_adapters(settings, engine)
    worker, sensor = worker_services(settings), sensor_services(settings)
    with DagsterInstance.get() as instance:
        yield Deployment(settings, engine, adapters, api_services(settings, adapters), worker, sensor, instance)
    sensor.close()
    worker.close()
    engine.dispose()
