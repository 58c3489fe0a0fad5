"""Many exports in one run: each is made, fails and is cancelled by itself."""

from collections.abc import Callable, Sequence
from contextlib import _GeneratorContextManager
from datetime import timedelta

import pytest

from analytics_exports.domain.access import OwnerScope, Principal
from analytics_exports.domain.dataset import Dataset, dataset_id
from analytics_exports.domain.export import JobId, Launch, Status
from analytics_exports.domain.selection import Selection
from analytics_exports.services import batch_production
from analytics_exports.services.batch_production import RECORD_EXPORTS, BatchProduction, Published
from analytics_exports.services.launch_queue import LaunchQueue
from analytics_exports.services.production import Producer
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.artifacts import FakeArtifactStore
from analytics_exports_tests.fakes.catalogue import FakeCatalogue
from analytics_exports_tests.fakes.jobs import FakeJobStore
from analytics_exports_tests.fakes.orchestrator import FakeOrchestrator
from analytics_exports_tests.fakes.signal import FakeSignal
from analytics_exports_tests.fakes.warehouse import FakeScan, FakeWarehouse
from analytics_exports_tests.waiting import until

COLUMNS = Selection(columns=("booking_date", "amount"))
LEASE, LAUNCH_TTL = timedelta(seconds=20), timedelta(seconds=60)


class Stopped(BaseException):
    """As a run is interrupted."""


class InterruptedWarehouse(FakeWarehouse):
    """Does not survive the scan number ``last``; ``meanwhile`` happens during each."""

    last = 1_000
    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def scan(self, dataset: Dataset, scope: OwnerScope, selection: Selection) -> _GeneratorContextManager[FakeScan]:
        self.last -= 1
        if self.last < 0:
            raise Stopped
        self.meanwhile()
        return super().scan(dataset, scope, selection)


class World:
    """Batch production over fakes, and what it recorded."""

    def __init__(self) -> None:
        self.jobs = FakeJobStore()
        self.dagster = FakeOrchestrator()
        self.warehouse = InterruptedWarehouse()
        self.warehouse.load(factories.dataset(), [])
        self.artifacts = FakeArtifactStore()
        self.recorded: list[list[JobId]] = []
        producer = Producer(
            catalogue=FakeCatalogue([factories.dataset()]),
            warehouse=self.warehouse,
            jobs=self.jobs,
            artifacts=self.artifacts,
            lease=LEASE,
            max_attempts=3,
        )
        queue = LaunchQueue(self.jobs, self.artifacts, self.dagster, LAUNCH_TTL)
        self.batch_production = BatchProduction(queue, producer, max_runs=1)

    def pending(self, count: int = 1, user: Principal | None = None, dataset: str = "fct_transactions") -> list[JobId]:
        request = factories.request(dataset_id=dataset_id(dataset), selection=COLUMNS)
        owner = user or factories.principal()
        return [self.jobs.create(owner, request).id for _ in range(count)]

    def share(self, count: int) -> Sequence[Launch]:
        return self.jobs.lease_pending(count, LAUNCH_TTL)

    def export_batch(self, share: Sequence[Launch] = (), signal: FakeSignal | None = None) -> int:
        return self.batch_production.export_batch("run", share, signal or FakeSignal(), self.record)

    def record(self, published: Sequence[Published]) -> None:
        self.recorded.append([production.job.id for production, _ in published])

    @property
    def made(self) -> list[JobId]:
        return [job_id for batch in self.recorded for job_id in batch]

    def status(self, job_id: JobId) -> Status:
        return self.jobs.rows[job_id].job.status


@pytest.fixture
def world() -> World:
    return World()


def test_a_run_makes_its_share_and_then_whatever_is_pending(world: World) -> None:
    pending = world.pending(60)
    share = world.share(25)

    assert world.export_batch(share) == 60
    assert world.made == pending
    assert {world.jobs.rows[job_id].job.run_id for job_id in pending} == {"run"}
    assert world.dagster.partitions == set(pending) - {launch.job_id for launch in share}


def test_what_is_published_is_recorded_in_batches(world: World) -> None:
    world.pending(2 * RECORD_EXPORTS + 1)
    world.export_batch()

    assert max(map(len, world.recorded)) <= RECORD_EXPORTS
    assert len(world.recorded) < RECORD_EXPORTS


def test_an_export_that_fails_fails_alone(world: World) -> None:
    good, (bad,), more = world.pending(3), world.pending(dataset="not_there_any_more"), world.pending(3)

    assert world.export_batch() == 6
    assert sorted(world.made) == sorted(good + more)
    assert world.status(bad) is Status.FAILED


def test_when_no_file_can_be_written_one_export_loses_an_attempt_and_the_others_wait(world: World) -> None:
    (first, *others) = world.pending(30)
    world.artifacts.free_bytes = 0

    assert world.export_batch(world.share(25)) == 0
    assert world.status(first) is Status.PENDING
    assert {launch.job_id for launch in world.share(30)} == set(others)


def test_an_export_that_was_cancelled_is_left_out(world: World) -> None:
    user = factories.principal()
    pending = world.pending(3, user)
    share = world.share(3)
    world.jobs.cancel(user.user_id, pending[1])
    world.export_batch(share)

    assert world.made == [pending[0], pending[2]]
    assert world.status(pending[1]) is Status.CANCELLED


def test_everybody_has_their_turn(world: World) -> None:
    many, few = world.pending(30), world.pending(2)
    world.export_batch()

    assert world.made[:4] == [many[0], few[0], many[1], few[1]]


def test_a_run_listens_for_more_before_it_ends(world: World) -> None:
    late: list[JobId] = []
    signal = FakeSignal(lambda: late.extend(world.pending(2)), lambda: None, lambda: late.extend(world.pending()))
    early = world.pending()
    world.export_batch(signal=signal)

    assert world.made == early + late
    assert len(late) == 3


def test_what_was_published_is_recorded_before_a_run_waits(world: World) -> None:
    (first,) = world.pending()
    seen: list[list[JobId]] = []
    world.export_batch(signal=FakeSignal(lambda: seen.append(world.made)))

    assert seen == [[first]]


def test_a_run_whose_time_is_over_takes_nothing_more(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_production, "MAX_SECONDS", 0)
    pending = world.pending(30)

    assert world.export_batch(world.share(25)) == 25
    assert [launch.run_key for launch in world.share(30)] == [f"{job_id}:1" for job_id in pending[25:]]


def test_one_run_too_many_gives_back_what_it_was_given(world: World) -> None:
    pending = world.pending(3)
    share = world.share(3)

    assert world.export_batch(share, FakeSignal(slots=0)) == 0
    assert [launch.job_id for launch in world.share(3)] == [launch.job_id for launch in share]
    assert {world.status(job_id) for job_id in pending} == {Status.PENDING}


def test_what_waits_behind_a_long_export_is_given_back_while_that_is_made(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_production, "CHUNK_SECONDS", 0.01)
    pending = world.pending(25)
    others: list[Launch] = []
    world.warehouse.meanwhile = lambda: others.extend(until(lambda: world.share(30)))
    world.export_batch(world.share(25))

    assert [launch.job_id for launch in others] == pending[1:]
    assert world.made == pending[:1]


def test_a_run_that_is_stopped_records_what_it_published_and_gives_back_the_rest(world: World) -> None:
    pending = world.pending(5)
    world.warehouse.last = 2
    with pytest.raises(Stopped):
        world.export_batch(world.share(5))

    assert world.made == pending[:2]
    assert [world.status(job_id) for job_id in pending[2:]] == [Status.RUNNING, Status.PENDING, Status.PENDING]
    assert [launch.job_id for launch in world.share(5)] == pending[3:]
