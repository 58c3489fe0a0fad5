"""What a heartbeat reports while a file is written, and that it stops work whose claim is not current."""

import threading
from collections.abc import Mapping
from datetime import timedelta

import pytest

from analytics_exports.domain.errors import RunCancelled, WarehouseUnavailable
from analytics_exports.domain.export import Claim
from analytics_exports.ports import OnStart
from analytics_exports.services import heartbeat
from analytics_exports.services.heartbeat import Heartbeat
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.jobs import FakeJobStore
from analytics_exports_tests.waiting import LIMIT_SECONDS

LEASE = timedelta(seconds=20)


class RecordingJobStore(FakeJobStore):
    """Says when a heartbeat tells ``awaited``."""

    def __init__(self, awaited: Mapping[str, int]) -> None:
        super().__init__()
        self.reported = threading.Event()
        self._awaited = awaited

    def renew(self, claim: Claim, lease: timedelta, progress: Mapping[str, object]) -> bool:
        kept = super().renew(claim, lease, progress)
        if kept and progress == self._awaited:
            self.reported.set()
        return kept

    def running(self) -> Claim:
        job_id = self.create(factories.principal(), factories.request()).id
        self.lease_pending(1, LEASE)
        return self.claim(job_id, "run", LEASE)[1]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "PROGRESS_SECONDS", 0.01)


def test_how_much_there_is_becomes_known_while_it_is_written() -> None:
    store = RecordingJobStore({"rows_written": 10, "bytes_written": 99, "rows_total": 40})
    with Heartbeat(store, store.running(), LEASE) as beating:
        beating.count_with(lambda begun: 40)
        beating.progress(10, 99)

        assert store.reported.wait(LIMIT_SECONDS)


def test_a_count_that_fails_leaves_the_rest_as_it_is() -> None:
    def unknown(begun: OnStart) -> int:
        asked.set()
        raise WarehouseUnavailable

    asked, store = threading.Event(), RecordingJobStore({"rows_written": 11, "bytes_written": 99})
    with Heartbeat(store, store.running(), LEASE) as beating:
        beating.count_with(unknown)
        assert asked.wait(LIMIT_SECONDS)
        beating.progress(11, 99)

        assert store.reported.wait(LIMIT_SECONDS)
        assert not beating.lost


@pytest.mark.parametrize("lost", [False, True])
def test_the_count_is_interrupted_when_the_work_ends_or_its_claim_is_gone(*, lost: bool) -> None:
    store, counting, interrupted = RecordingJobStore({}), threading.Event(), threading.Event()
    claim = store.running()

    def count(begun: OnStart) -> int:
        begun(interrupted.set)
        counting.set()
        assert interrupted.wait(LIMIT_SECONDS)
        raise RunCancelled

    held = Claim(claim.job_id, claim.attempt, "another") if lost else claim
    with Heartbeat(store, held, timedelta(0) if lost else LEASE) as beating:
        beating.count_with(count)
        assert counting.wait(LIMIT_SECONDS)
        assert lost or not interrupted.is_set()
        assert not lost or interrupted.wait(LIMIT_SECONDS)

    assert interrupted.is_set()


def test_a_count_that_begins_when_the_work_has_ended_is_interrupted_at_once() -> None:
    store, opened, ended = RecordingJobStore({}), threading.Event(), threading.Event()
    interrupted = threading.Event()

    def count(begun: OnStart) -> int:
        opened.set()
        assert ended.wait(LIMIT_SECONDS)
        begun(interrupted.set)
        raise RunCancelled

    with Heartbeat(store, store.running(), LEASE) as beating:
        beating.count_with(count)
        assert opened.wait(LIMIT_SECONDS)
        ended_later = threading.Timer(0.05, ended.set)
        ended_later.start()

    assert interrupted.wait(LIMIT_SECONDS)


def test_work_whose_claim_is_gone_is_stopped() -> None:
    store, stopped = RecordingJobStore({}), threading.Event()
    claim = store.running()
    with Heartbeat(store, Claim(claim.job_id, claim.attempt, "another"), timedelta(0)) as beating:
        beating.stop_when_lost(stopped.set)

        assert stopped.wait(LIMIT_SECONDS)
        assert beating.lost
