"""Leasing pending exports: what is leased has a partition, and waits while no file can be stored."""

from datetime import timedelta

import pytest

from analytics_exports.domain.errors import Unavailable
from analytics_exports.services.launch_queue import LaunchQueue
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.artifacts import FakeArtifactStore
from analytics_exports_tests.fakes.jobs import FakeJobStore
from analytics_exports_tests.fakes.orchestrator import FakeOrchestrator


@pytest.fixture
def jobs() -> FakeJobStore:
    return FakeJobStore()


@pytest.fixture
def dagster() -> FakeOrchestrator:
    return FakeOrchestrator()


@pytest.fixture
def store() -> FakeArtifactStore:
    return FakeArtifactStore()


@pytest.fixture
def queue(jobs: FakeJobStore, store: FakeArtifactStore, dagster: FakeOrchestrator) -> LaunchQueue:
    return LaunchQueue(jobs, store, dagster, timedelta(seconds=60))


def test_what_is_leased_has_a_partition(queue: LaunchQueue, jobs: FakeJobStore, dagster: FakeOrchestrator) -> None:
    pending = [jobs.create(factories.principal(), factories.request()).id for _ in range(3)]

    assert [launch.job_id for launch in queue.lease(2)] == pending[:2]
    assert dagster.partitions == set(pending[:2])


def test_nothing_is_leased_while_no_file_can_be_stored(
    queue: LaunchQueue, jobs: FakeJobStore, store: FakeArtifactStore
) -> None:
    jobs.create(factories.principal(), factories.request())
    store.free_bytes = 0
    assert queue.lease(1) == ()
    store.free_bytes, store.away = 1, True
    assert queue.lease(1) == ()
    store.away = False

    assert len(queue.lease(1)) == 1


def test_what_gets_no_partition_is_pending_again_at_once(
    queue: LaunchQueue, jobs: FakeJobStore, dagster: FakeOrchestrator
) -> None:
    job = jobs.create(factories.principal(), factories.request())
    dagster.away = True
    with pytest.raises(Unavailable):
        queue.lease(1)
    dagster.away = False

    assert [launch.job_id for launch in queue.lease(1)] == [job.id]
