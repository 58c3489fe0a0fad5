"""The sweep: what attempts left behind is removed, what is still offered stays."""

from datetime import timedelta

import polars as pl
import pytest

from analytics_exports.domain.errors import OutOfMemory, StorageUnavailable
from analytics_exports.domain.export import Claim, ExportJob, Failure
from analytics_exports.domain.formats import Format
from analytics_exports.services.production import artifact_key
from analytics_exports.services.retention import Retention
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.artifacts import FakeArtifactStore
from analytics_exports_tests.fakes.jobs import FakeJobStore
from analytics_exports_tests.fakes.orchestrator import FakeOrchestrator

LEASE, DAY = timedelta(seconds=20), timedelta(hours=24)


class World:
    """Retention over fakes."""

    def __init__(self) -> None:
        self.jobs = FakeJobStore()
        self.artifacts = FakeArtifactStore()
        self.retention = Retention(self.jobs, self.artifacts, FakeOrchestrator(), DAY)

    def running(self) -> tuple[ExportJob, Claim]:
        job = self.jobs.create(factories.principal(), factories.request())
        self.jobs.lease_pending(1000, LEASE)
        return self.jobs.claim(job.id, "run", LEASE)

    def publish(self, job: ExportJob) -> None:
        with self.artifacts.stage(artifact_key(job), 1) as staging:
            staging.write(pl.LazyFrame({"a": [1]}), Format.CSV, {}, lambda rows, size: None)
            staging.publish()

    def leave_behind(self, job: ExportJob, attempt: int) -> None:
        """What a killed worker leaves."""
        self.artifacts.partials[artifact_key(job), attempt] = b"half"


@pytest.fixture
def world() -> World:
    return World()


def test_the_file_of_a_completed_export_stays(world: World) -> None:
    job, claim = world.running()
    world.publish(job)
    assert world.retention.sweep() == 0, "published, and not yet noted as completed"
    world.jobs.complete(claim, factories.artifact(), DAY)

    assert world.retention.sweep() == 0
    assert world.artifacts.files


def test_what_an_attempt_writes_now_stays_and_what_an_earlier_one_left_goes(world: World) -> None:
    job, claim = world.running()
    world.leave_behind(job, claim.attempt)
    assert world.retention.sweep() == 0
    world.jobs.fail_attempt(claim, Failure.of(OutOfMemory), max_attempts=1)

    assert world.retention.sweep() == 1
    assert not world.artifacts.partials


def test_an_attempt_before_the_current_one_is_over(world: World) -> None:
    job, claim = world.running()
    world.leave_behind(job, claim.attempt - 1)
    world.leave_behind(job, claim.attempt)

    assert world.retention.sweep() == 1
    assert list(world.artifacts.partials) == [(artifact_key(job), claim.attempt)]


def test_files_of_cancelled_and_unknown_exports_go(world: World) -> None:
    cancelled, _ = world.running()
    world.publish(cancelled)
    world.jobs.cancel(cancelled.user_id, cancelled.id)
    unknown, _ = world.running()
    world.publish(unknown)
    del world.jobs.rows[unknown.id]

    assert world.retention.sweep() == 2
    assert not world.artifacts.files


def test_a_file_that_cannot_be_removed_keeps_no_other_from_going(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [world.running() for _ in range(3)]
    for _, claim in jobs:
        world.jobs.complete(claim, factories.artifact(), DAY)
    world.jobs.pass_time(DAY.total_seconds() + 1)
    removed: list[str] = []

    def remove(key: str) -> None:
        if not removed:
            removed.append("the first is stuck")
            raise StorageUnavailable
        removed.append(key)

    monkeypatch.setattr(world.artifacts, "remove", remove)

    assert world.retention.expire() == 3
    assert len(removed) == 4


def test_nothing_is_expired_twice_while_the_store_is_away(world: World) -> None:
    _, claim = world.running()
    world.jobs.complete(claim, factories.artifact(), DAY)
    world.jobs.pass_time(DAY.total_seconds() + 1)
    world.artifacts.away = True
    with pytest.raises(StorageUnavailable):
        world.retention.expire()
    world.artifacts.away = False

    assert world.retention.expire() == 1
