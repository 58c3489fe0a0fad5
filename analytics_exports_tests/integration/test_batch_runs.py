"""Many exports in one real Dagster run: which partitions it shows as materialised, and what the jobs table says."""

from datetime import timedelta
from uuid import uuid4

from dagster import AssetKey
from sqlalchemy import text

from analytics_exports.domain.export import JobId, Launch, Status
from analytics_exports.gateway import EXPORT_ASSET
from analytics_exports.orchestration.batch import batch_job
from analytics_exports_tests.deployment import Deployment

LAUNCH_TTL = timedelta(seconds=60)


def materialised(deployment: Deployment) -> set[JobId]:
    keys = deployment.instance.get_materialized_partitions(AssetKey(EXPORT_ASSET))
    return {Launch.of(f"{key}:0").job_id for key in keys}


def test_exactly_the_exports_that_succeeded_are_materialised(deployment: Deployment) -> None:
    user = deployment.user()
    good = [deployment.pending(user) for _ in range(3)]
    gone = deployment.pending(user, "not_there_any_more")
    cancelled, malformed = deployment.pending(user), deployment.pending(user)
    share = deployment.jobs.lease_pending(5, LAUNCH_TTL)
    deployment.jobs.cancel(user.user_id, cancelled)
    with deployment.engine.begin() as connection:
        connection.execute(text("UPDATE jobs SET metadata = '{}' WHERE id = :id"), {"id": malformed})
    result = deployment.export_batch(share)
    deployment.project_events()

    assert result.success
    assert materialised(deployment) == set(good)
    assert {deployment.job(job_id).run_id for job_id in good} == {result.run_id}
    assert [deployment.job(job_id).status for job_id in good] == [Status.COMPLETED] * 3
    assert (deployment.job(gone).status, deployment.job(cancelled).status) == (Status.FAILED, Status.CANCELLED)
    with deployment.engine.connect() as connection:
        ended = connection.execute(text("SELECT status, error_code FROM jobs WHERE id = :id"), {"id": malformed}).one()
    assert tuple(ended) == ("failed", "internal_error")


def test_a_file_is_as_good_as_one_made_by_itself(deployment: Deployment) -> None:
    job_id = deployment.pending(deployment.user())
    deployment.export_batch()
    deployment.project_events()
    job = deployment.job(job_id)
    assert job.artifact is not None
    found = deployment.worker.artifacts.open(job.artifact.output_path)

    assert found is not None
    with found.content as file:
        assert len(file.read()) == job.artifact.file_size_bytes
    assert deployment.adapters.orchestrator.latest_materialisation(job_id) is not None
    assert deployment.instance.has_dynamic_partition("exports", str(job_id))


def test_the_end_of_a_run_ends_only_what_it_still_held(deployment: Deployment) -> None:
    user = deployment.user()
    done, lost = deployment.pending(user), deployment.pending(user)
    run_id = str(uuid4())
    (first, second) = deployment.jobs.lease_pending(2, LAUNCH_TTL)
    deployment.export_batch([first])
    deployment.jobs.claim(second.job_id, run_id, LAUNCH_TTL)
    run = deployment.instance.create_run_for_job(batch_job, run_id=run_id)
    deployment.instance.report_run_failed(run)
    deployment.project_events()

    assert (deployment.job(done).status, deployment.job(lost).status) == (Status.COMPLETED, Status.PENDING)


def test_the_events_of_a_batch_are_stored_in_one_transaction(deployment: Deployment) -> None:
    user = deployment.user()
    made = {deployment.pending(user) for _ in range(4)}
    result = deployment.export_batch(deployment.jobs.lease_pending(4, LAUNCH_TTL))
    written = text(
        "SELECT partition, xmin::text AS transaction FROM dagster.event_logs"
        " WHERE run_id = :run AND dagster_event_type = 'ASSET_MATERIALIZATION'"
    )
    with deployment.engine.connect() as connection:
        rows = connection.execute(written, {"run": result.run_id}).all()

    assert {row.partition for row in rows} == {str(job_id) for job_id in made}
    assert len({row.transaction for row in rows}) < len(rows)
