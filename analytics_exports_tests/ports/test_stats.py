"""What every Stats must do: run on PostgreSQL and on the one in memory."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from analytics_exports.database.directory import PostgresDirectory
from analytics_exports.database.jobs import PostgresJobStore
from analytics_exports.database.stats import PostgresStats
from analytics_exports.domain.errors import OutOfMemory, WarehouseChanged
from analytics_exports.domain.export import Claim, Failure
from analytics_exports.ports import JobStore, Stats
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.jobs import FakeJobStore
from analytics_exports_tests.fakes.stats import FakeStats

LEASE, DAY, HOUR = timedelta(minutes=1), timedelta(days=1), 3600.0
MANY = 100


class StatsHarness:
    """Statistics about the exports of a store, and a way to let time pass."""

    def __init__(self, stats: Stats, store: JobStore, pass_time: Callable[[float], None]) -> None:
        self.stats = stats
        self.store = store
        self.pass_time = pass_time
        self.owner = factories.principal()

    def running(self) -> Claim:
        return self.store.claim(self.store.create(self.owner, factories.request()).id, "run", LEASE)[1]

    def completed(self) -> Claim:
        claim = self.running()
        assert self.store.complete(claim, factories.artifact(), DAY)
        return claim


@pytest.fixture(params=["postgresql", "memory"])
def harness(request: pytest.FixtureRequest) -> StatsHarness:
    if request.param == "memory":
        fake = FakeJobStore()
        return StatsHarness(FakeStats(fake), fake, fake.pass_time)
    engine: Engine = request.getfixturevalue("engine")

    def pass_time(seconds: float) -> None:
        """Moving all stored times back is the same as moving the clock forward."""
        moved = "created_at = created_at - d, started_at = started_at - d, expires_at = expires_at - d"
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            length = {"s": seconds}
            connection.execute(
                text(f"UPDATE jobs SET {moved} FROM (SELECT make_interval(secs => :s)) AS by(d)"), length
            )
            connection.execute(text("UPDATE job_events SET at = at - make_interval(secs => :s)"), length)

    found = StatsHarness(PostgresStats(engine), PostgresJobStore(engine), pass_time)
    PostgresDirectory(engine).ensure_user(found.owner)
    return found


def test_nothing_is_counted_where_nothing_is(harness: StatsHarness) -> None:
    snapshot = harness.stats.snapshot()

    assert (snapshot.pending, snapshot.running, snapshot.files, snapshot.file_bytes) == (0, 0, 0, 0)
    assert (snapshot.pending_seconds, snapshot.overdue_seconds) == (0, 0)
    assert harness.stats.finished_after(harness.stats.latest_position(), MANY) == (harness.stats.latest_position(), [])


def test_the_queue_is_as_old_as_its_oldest_export(harness: StatsHarness) -> None:
    harness.store.create(harness.owner, factories.request())
    harness.pass_time(HOUR)
    harness.store.create(harness.owner, factories.request())
    harness.running()

    snapshot = harness.stats.snapshot()
    assert (snapshot.pending, snapshot.running) == (2, 1)
    assert snapshot.pending_seconds == pytest.approx(HOUR, abs=30)


def test_files_are_counted_until_they_expire_and_missed_until_they_are_gone(harness: StatsHarness) -> None:
    job_id = harness.completed().job_id
    assert harness.stats.snapshot().file_bytes == factories.artifact().file_size_bytes
    harness.pass_time(DAY.total_seconds() + HOUR)
    assert harness.stats.snapshot().overdue_seconds == pytest.approx(HOUR, abs=30)
    harness.store.expire(MANY)
    snapshot = harness.stats.snapshot()
    assert (snapshot.files, snapshot.file_bytes) == (0, 0)
    assert snapshot.overdue_seconds == pytest.approx(HOUR, abs=30)

    harness.store.mark_files_removed([job_id])
    assert harness.stats.snapshot().overdue_seconds == 0


def test_each_end_is_reported_once_in_order(harness: StatsHarness) -> None:
    begun = harness.stats.latest_position()
    harness.completed()
    harness.store.fail_attempt(harness.running(), Failure.of(OutOfMemory), max_attempts=1)
    harness.store.fail_attempt(harness.running(), Failure.of(WarehouseChanged), max_attempts=3)
    harness.pass_time(10)

    position, ends = harness.stats.finished_after(begun, MANY)
    assert [(end.status, end.code) for end in ends] == [
        ("completed", ""),
        ("failed", OutOfMemory.code),
        ("pending", WarehouseChanged.code),
    ]
    assert [(end.rows, end.bytes) for end in ends] == [
        (factories.artifact().row_count, factories.artifact().file_size_bytes),
        (0, 0),
        (0, 0),
    ]
    assert all(end.seconds is not None and end.seconds >= 0 for end in ends)
    assert harness.stats.finished_after(position, MANY) == (position, [])


def test_ends_can_be_read_a_few_at_a_time(harness: StatsHarness) -> None:
    position = harness.stats.latest_position()
    for _ in range(3):
        harness.completed()
    harness.pass_time(10)

    counted = 0
    while position < harness.stats.latest_position():
        position, ends = harness.stats.finished_after(position, 2)
        counted += len(ends)
    assert counted == 3
