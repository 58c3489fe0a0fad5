"""The services of this process on the demonstration's warehouse, a real database and a real Dagster instance."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from dagster import (
    DagsterInstance,
    ExecuteInProcessResult,
    JobDefinition,
    RepositoryDefinition,
    RunRequest,
    build_sensor_context,
    materialize,
)
from dagster._core.definitions.partitions.context import partition_loading_context
from sqlalchemy import Engine, insert, text

from analytics_exports.artifacts import LocalArtifactStore
from analytics_exports.bootstrap.api import ApiAdapters, ApiServices, api_adapters, api_services
from analytics_exports.bootstrap.sensor import SensorServices, sensor_services
from analytics_exports.bootstrap.worker import WorkerServices, worker_services
from analytics_exports.database.engine import make_engine
from analytics_exports.database.models import User
from analytics_exports.domain.access import Principal
from analytics_exports.domain.dataset import dataset_id
from analytics_exports.domain.export import ExportJob, JobId, Launch
from analytics_exports.domain.selection import Selection
from analytics_exports.orchestration.assets import dataset_export
from analytics_exports.orchestration.batch import batch_job
from analytics_exports.orchestration.build import RESOURCES
from analytics_exports.ports import JobStore
from analytics_exports.settings import Settings
from analytics_exports.stack.environment import child_environment
from analytics_exports_tests import factories
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

    def user(self, user_id: UUID | None = None) -> Principal:
        """A new user."""
        user = factories.principal(user_id)
        with self.engine.begin() as connection:
            connection.execute(insert(User).values(id=user.user_id, label="user", owner_key=user.owner_key))
        return user

    def pending(self, user: Principal, dataset: str = "dim_accounts") -> JobId:
        """A new export of all rows."""
        request = factories.request(
            dataset_id=dataset_id(dataset), dataset_name=dataset, selection=Selection(), options={}
        )
        return self.jobs.create(user, request).id

    def job(self, job_id: JobId) -> ExportJob:
        """An export as the jobs table has it."""
        job = self.jobs.load(job_id)
        assert job is not None
        return job

    def scalar(self, statement: str) -> int:
        """A number from the database."""
        with self.engine.connect() as connection:
            return int(connection.execute(text(statement)).scalar_one())

    def export_batch(self, share: Sequence[Launch] = ()) -> ExecuteInProcessResult:
        """A run that makes this share, and what else is pending."""
        return self.execute(batch_job, {"run_keys": [launch.run_key for launch in share]})

    def materialise(self, job: ExportJob, **changes: Any) -> ExecuteInProcessResult:
        """Materialise one partition as a run would; ``changes`` replace services of its worker."""
        return materialize(
            [dataset_export],
            partition_key=str(job.id),
            instance=self.instance,
            resources={**RESOURCES, "worker": replace(self.worker, **changes)},
            raise_on_error=False,
        )

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
