"""Many exports in one run: each is made, fails and is cancelled by itself."""

from collections.abc import Callable, Sequence
from contextlib import _GeneratorContextManager
from functools import partial

import pytest

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.dataset import Dataset, dataset_id
from analytics_exports.domain.export import JobId, Launch, Status
from analytics_exports.domain.selection import Selection
from analytics_exports.services import batch_production
from analytics_exports.services.batch_production import RECORD_EXPORTS, RECORD_SECONDS, BatchProduction, Published
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.adapters import FakeAdapters
from analytics_exports_tests.fakes.signal import FakeSignal
from analytics_exports_tests.fakes.warehouse import FakeScan, FakeWarehouse
from analytics_exports_tests.waiting import until


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


class FakeClock:
    """In place of the module ``time``."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class BatchRun(FakeAdapters):
    """A run that makes exports on adapters in memory, and what it recorded."""

    def __init__(self) -> None:
        self.interrupted = InterruptedWarehouse()
        super().__init__(self.interrupted)
        self.recorded: list[list[JobId]] = []
        self.batch_production = BatchProduction(self.launch_queue(), self.producer(), max_runs=1)

    def export_batch(self, share: Sequence[Launch] = (), signal: FakeSignal | None = None) -> int:
        return self.batch_production.export_batch("run", share, signal or FakeSignal(), self.record)

    def record(self, published: Sequence[Published]) -> None:
        self.recorded.append([production.job.id for production, _ in published])

    @property
    def made(self) -> list[JobId]:
        return [job_id for batch in self.recorded for job_id in batch]


@pytest.fixture
def batch() -> BatchRun:
    return BatchRun()


def test_a_run_makes_its_share_and_then_whatever_is_pending(batch: BatchRun) -> None:
    pending = batch.pending(60)
    share = batch.lease(25)

    assert batch.export_batch(share) == 60
    assert batch.made == pending
    assert {batch.jobs.rows[job_id].job.run_id for job_id in pending} == {"run"}
    assert batch.orchestrator.partitions == set(pending) - {launch.job_id for launch in share}


def test_what_is_published_is_recorded_in_batches(batch: BatchRun) -> None:
    batch.pending(2 * RECORD_EXPORTS + 1)
    batch.export_batch()

    assert max(map(len, batch.recorded)) <= RECORD_EXPORTS
    assert len(batch.recorded) < RECORD_EXPORTS


def test_a_slow_recording_does_not_make_the_next_batch_smaller(
    batch: BatchRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    monkeypatch.setattr(batch_production, "time", clock)
    batch.interrupted.meanwhile = partial(clock.advance, 2**-6)
    usual = batch.record

    def record(published: Sequence[Published]) -> None:
        clock.advance(RECORD_SECONDS)
        usual(published)

    monkeypatch.setattr(batch, "record", record)
    batch.pending(54)
    batch.export_batch()

    assert [len(recorded) for recorded in batch.recorded] == [18, 18, 18]


def test_an_export_that_fails_fails_alone(batch: BatchRun) -> None:
    good, (bad,), more = batch.pending(3), batch.pending(dataset_id=dataset_id("not_there_any_more")), batch.pending(3)

    assert batch.export_batch() == 6
    assert sorted(batch.made) == sorted(good + more)
    assert batch.status(bad) is Status.FAILED


def test_when_no_file_can_be_written_one_export_loses_an_attempt_and_the_others_wait(batch: BatchRun) -> None:
    (first, *others) = batch.pending(30)
    batch.artifacts.free_bytes = 0

    assert batch.export_batch(batch.lease(25)) == 0
    assert batch.status(first) is Status.PENDING
    assert {launch.job_id for launch in batch.lease(30)} == set(others)


def test_an_export_that_was_cancelled_is_left_out(batch: BatchRun) -> None:
    user = factories.principal()
    pending = batch.pending(3, user)
    share = batch.lease(3)
    batch.jobs.cancel(user.user_id, pending[1])
    batch.export_batch(share)

    assert batch.made == [pending[0], pending[2]]
    assert batch.status(pending[1]) is Status.CANCELLED


def test_everybody_has_their_turn(batch: BatchRun) -> None:
    many, few = batch.pending(30), batch.pending(2)
    batch.export_batch()

    assert batch.made[:4] == [many[0], few[0], many[1], few[1]]


def test_a_run_listens_for_more_before_it_ends(batch: BatchRun) -> None:
    late: list[JobId] = []
    signal = FakeSignal(lambda: late.extend(batch.pending(2)), lambda: None, lambda: late.extend(batch.pending()))
    early = batch.pending()
    batch.export_batch(signal=signal)

    assert batch.made == early + late
    assert len(late) == 3


def test_what_was_published_is_recorded_before_a_run_waits(batch: BatchRun) -> None:
    (first,) = batch.pending()
    seen: list[list[JobId]] = []
    batch.export_batch(signal=FakeSignal(lambda: seen.append(batch.made)))

    assert seen == [[first]]


def test_a_run_whose_time_is_over_takes_nothing_more(batch: BatchRun, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_production, "MAX_SECONDS", 0)
    pending = batch.pending(30)

    assert batch.export_batch(batch.lease(25)) == 25
    assert [launch.run_key for launch in batch.lease(30)] == [f"{job_id}:1" for job_id in pending[25:]]


def test_one_run_too_many_gives_back_what_it_was_given(batch: BatchRun) -> None:
    pending = batch.pending(3)
    share = batch.lease(3)

    assert batch.export_batch(share, FakeSignal(slots=0)) == 0
    assert [launch.job_id for launch in batch.lease(3)] == [launch.job_id for launch in share]
    assert {batch.status(job_id) for job_id in pending} == {Status.PENDING}


def test_what_waits_behind_a_long_export_is_given_back_while_that_is_made(
    batch: BatchRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_production, "CHUNK_SECONDS", 0.01)
    pending = batch.pending(25)
    others: list[Launch] = []
    batch.interrupted.meanwhile = lambda: others.extend(until(lambda: batch.lease(30)))
    batch.export_batch(batch.lease(25))

    assert [launch.job_id for launch in others] == pending[1:]
    assert batch.made == pending[:1]


def test_a_run_that_is_stopped_records_what_it_published_and_gives_back_the_rest(batch: BatchRun) -> None:
    pending = batch.pending(5)
    batch.interrupted.last = 2
    with pytest.raises(Stopped):
        batch.export_batch(batch.lease(5))

    assert batch.made == pending[:2]
    assert [batch.status(job_id) for job_id in pending[2:]] == [Status.RUNNING, Status.PENDING, Status.PENDING]
    assert [launch.job_id for launch in batch.lease(5)] == pending[3:]
