"""Leasing pending exports: what is leased has a partition, and waits while no file can be stored."""

import pytest

from analytics_exports.domain.errors import Unavailable
from analytics_exports.services.launch_queue import LaunchQueue
from analytics_exports_tests.fakes.adapters import FakeAdapters


@pytest.fixture
def queue(adapters: FakeAdapters) -> LaunchQueue:
    return adapters.launch_queue()


def test_what_is_leased_has_a_partition(adapters: FakeAdapters, queue: LaunchQueue) -> None:
    pending = adapters.pending(3)

    assert [launch.job_id for launch in queue.lease(2)] == pending[:2]
    assert adapters.orchestrator.partitions == set(pending[:2])


def test_nothing_is_leased_while_no_file_can_be_stored(adapters: FakeAdapters, queue: LaunchQueue) -> None:
    adapters.pending()
    store = adapters.artifacts
    store.free_bytes = 0
    assert queue.lease(1) == ()
    store.free_bytes, store.away = 1, True
    assert queue.lease(1) == ()
    store.away = False

    assert len(queue.lease(1)) == 1


def test_what_gets_no_partition_is_pending_again_at_once(adapters: FakeAdapters, queue: LaunchQueue) -> None:
    pending = adapters.pending()
    adapters.orchestrator.away = True
    with pytest.raises(Unavailable):
        queue.lease(1)
    adapters.orchestrator.away = False

    assert [launch.job_id for launch in queue.lease(1)] == pending
