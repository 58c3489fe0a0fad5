"""Many exports in one real Dagster run: which partitions it shows as materialised, and what the jobs table says."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from dagster import AssetKey, ExecuteInProcessResult
from sqlalchemy import insert, text

from analytics_exports.database.models import User
from analytics_exports.domain.access import Principal
from analytics_exports.domain.dataset import dataset_id
from analytics_exports.domain.export import ExportJob, JobId, Launch, Status
from analytics_exports.domain.selection import Selection
from analytics_exports.gateway import EXPORT_ASSET
from analytics_exports.orchestration.batch import batch_job
from analytics_exports.services import batch_production
from analytics_exports_tests import factories
from analytics_exports_tests.deployment import Deployment, deployed

LAUNCH_TTL = timedelta(seconds=60)


class World:
    """A deployment with users and pending exports."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.engine, self.jobs, self.instance = deployment.engine, deployment.jobs, deployment.instance

    def user(self) -> Principal:
        user = factories.principal()
        with self.engine.begin() as connection:
            connection.execute(insert(User).values(id=user.user_id, label="user", owner_key=user.owner_key))
        return user

    def pending(self, user: Principal, dataset: str = "dim_accounts") -> JobId:
        request = factories.request(
            dataset_id=dataset_id(dataset), dataset_name=dataset, selection=Selection(), options={}
        )
        return self.jobs.create(user, request).id

    def export_batch(self, share: Sequence[Launch] = ()) -> ExecuteInProcessResult:
        return self.deployment.execute(batch_job, {"run_keys": [launch.run_key for launch in share]})

    def job(self, job_id: JobId) -> ExportJob:
        job = self.jobs.load(job_id)
        assert job is not None
        return job

    def materialised(self) -> set[JobId]:
        keys = self.instance.get_materialized_partitions(AssetKey(EXPORT_ASSET))
        return {Launch.of(f"{key}:0").job_id for key in keys}


@pytest.fixture
def world(tmp_path: Path, database_url: str, repository: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(batch_production, "IDLE_SECONDS", 0)
    with deployed(tmp_path, database_url, repository, monkeypatch, DAGSTER_EVENT_BATCH_SIZE="100") as deployment:
        yield World(deployment)


def test_exactly_the_exports_that_succeeded_are_materialised(world: World) -> None:
    user = world.user()
    good = [world.pending(user) for _ in range(3)]
    gone = world.pending(user, "not_there_any_more")
    cancelled, malformed = world.pending(user), world.pending(user)
    share = world.jobs.lease_pending(5, LAUNCH_TTL)
    world.jobs.cancel(user.user_id, cancelled)
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET metadata = '{}' WHERE id = :id"), {"id": malformed})
    result = world.export_batch(share)
    world.deployment.project_events()

    assert result.success
    assert world.materialised() == set(good)
    assert {world.job(job_id).run_id for job_id in good} == {result.run_id}
    assert [world.job(job_id).status for job_id in good] == [Status.COMPLETED] * 3
    assert (world.job(gone).status, world.job(cancelled).status) == (Status.FAILED, Status.CANCELLED)
    with world.engine.connect() as connection:
        ended = connection.execute(text("SELECT status, error_code FROM jobs WHERE id = :id"), {"id": malformed}).one()
    assert tuple(ended) == ("failed", "internal_error")


def test_a_file_is_as_good_as_one_made_by_itself(world: World) -> None:
    job_id = world.pending(world.user())
    world.export_batch()
    world.deployment.project_events()
    job = world.job(job_id)
    assert job.artifact is not None
    found = world.deployment.worker.artifacts.open(job.artifact.output_path)

    assert found is not None
    with found.content as file:
        assert len(file.read()) == job.artifact.file_size_bytes
    assert world.deployment.adapters.orchestrator.latest_materialisation(job_id) is not None
    assert world.instance.has_dynamic_partition("exports", str(job_id))


def test_the_end_of_a_run_ends_only_what_it_still_held(world: World) -> None:
    user = world.user()
    done, lost = world.pending(user), world.pending(user)
    run_id = str(uuid4())
    (first, second) = world.jobs.lease_pending(2, LAUNCH_TTL)
    world.export_batch([first])
    world.jobs.claim(second.job_id, run_id, LAUNCH_TTL)
    run = world.instance.create_run_for_job(batch_job, run_id=run_id)
    world.instance.report_run_failed(run)
    world.deployment.project_events()

    assert (world.job(done).status, world.job(lost).status) == (Status.COMPLETED, Status.PENDING)


def test_the_events_of_a_batch_are_stored_in_one_transaction(world: World) -> None:
    user = world.user()
    made = {world.pending(user) for _ in range(4)}
    result = world.export_batch(world.jobs.lease_pending(4, LAUNCH_TTL))
    written = text(
        "SELECT partition, xmin::text AS transaction FROM dagster.event_logs"
        " WHERE run_id = :run AND dagster_event_type = 'ASSET_MATERIALIZATION'"
    )
    with world.engine.connect() as connection:
        rows = connection.execute(written, {"run": result.run_id}).all()

    assert {row.partition for row in rows} == {str(job_id) for job_id in made}
    assert len({row.transaction for row in rows}) < len(rows)
