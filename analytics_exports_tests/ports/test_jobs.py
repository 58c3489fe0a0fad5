"""What every JobStore must do: run on PostgreSQL and on the one in memory."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, insert, text

from analytics_exports.database.engine import make_engine
from analytics_exports.database.jobs import PostgresJobStore
from analytics_exports.database.models import User
from analytics_exports.domain.access import Principal, UserId
from analytics_exports.domain.dataset import dataset_id
from analytics_exports.domain.errors import (
    ClaimLost,
    DatasetChanged,
    IdempotencyKeyReused,
    TooManyExports,
    WarehouseChanged,
    WorkerLost,
)
from analytics_exports.domain.export import (
    Claim,
    ExportFilter,
    Failure,
    IdempotencyKey,
    JobId,
    Launch,
    Progress,
    Status,
)
from analytics_exports.domain.formats import Format
from analytics_exports.ports import JobStore
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.jobs import FakeJobStore

LEASE = timedelta(seconds=20)
LAUNCH_TTL = timedelta(seconds=60)
DAY = timedelta(hours=24)
TRANSIENT, PERMANENT = Failure.of(WarehouseChanged), Failure.of(DatasetChanged)


class JobStoreHarness:
    """A store, a way to make users, and a way to let time pass."""

    def __init__(self, store: JobStore, make_user: Callable[[], Principal], pass_time: Callable[[float], None]) -> None:
        self.store = store
        self.make_user = make_user
        self.pass_time = pass_time

    def pending(self, user: Principal | None = None) -> JobId:
        return self.store.create(user or self.make_user(), factories.request()).id

    def running(self, run_id: str = "run") -> Claim:
        job_id = self.pending()
        self.store.lease_pending(100, LAUNCH_TTL)
        return self.store.claim(job_id, run_id, LEASE)[1]

    def completed(self) -> Claim:
        claim = self.running()
        assert self.store.complete(claim, factories.artifact(), DAY)
        return claim

    def status(self, job_id: JobId) -> Status:
        job = self.store.load(job_id)
        assert job is not None
        return job.status


def in_memory() -> JobStoreHarness:
    fake = FakeJobStore()
    return JobStoreHarness(fake, factories.principal, fake.pass_time)


def in_postgresql(engine: Engine) -> JobStoreHarness:
    def make_user() -> Principal:
        user = factories.principal()
        with engine.begin() as connection:
            connection.execute(insert(User).values(id=user.user_id, label="user", owner_key=user.owner_key))
        return user

    def pass_time(seconds: float) -> None:
        """Moving all stored times back is the same as moving the clock forward."""
        columns = ("launch_after", "lease_until", "started_at", "expires_at", "failing_since")
        moved = ", ".join(f"{column} = {column} - make_interval(secs => :s)" for column in columns)
        with engine.begin() as connection:
            connection.execute(text(f"UPDATE jobs SET {moved}"), {"s": seconds})
            connection.execute(
                text("UPDATE skipped_events SET try_after = try_after - make_interval(secs => :s)"), {"s": seconds}
            )

    return JobStoreHarness(PostgresJobStore(engine), make_user, pass_time)


@pytest.fixture(params=["postgresql", "memory"])
def harness(request: pytest.FixtureRequest) -> Iterator[JobStoreHarness]:
    if request.param == "memory":
        yield in_memory()
        return
    engine = make_engine(request.getfixturevalue("database_url"))
    yield in_postgresql(engine)
    engine.dispose()


def test_a_new_export_is_pending_and_keeps_its_request(harness: JobStoreHarness) -> None:
    user = harness.make_user()
    job = harness.store.create(user, factories.request())

    assert harness.store.load(job.id) == job == harness.store.find(user.user_id, job.id)
    assert (job.status, job.attempt, job.request) == (Status.PENDING, 0, factories.request())


def test_an_export_is_found_by_its_owner_alone(harness: JobStoreHarness) -> None:
    job_id = harness.pending()

    assert harness.store.find(UserId(uuid4()), job_id) is None
    assert harness.store.find(UserId(uuid4()), JobId(uuid4())) is None


def test_each_export_is_leased_once_until_its_lease_is_over(harness: JobStoreHarness) -> None:
    job_id = harness.pending()

    assert [launch.run_key for launch in harness.store.lease_pending(10, LAUNCH_TTL)] == [f"{job_id}:1"]
    assert harness.store.lease_pending(10, LAUNCH_TTL) == []
    harness.pass_time(61)
    assert [launch.run_key for launch in harness.store.lease_pending(10, LAUNCH_TTL)] == [f"{job_id}:2"]


def test_everybodys_first_export_goes_before_anybodys_second(harness: JobStoreHarness) -> None:
    busy, newcomer = harness.make_user(), harness.make_user()
    first, *_ = [harness.pending(busy) for _ in range(5)]
    new = harness.pending(newcomer)

    assert {launch.job_id for launch in harness.store.lease_pending(2, LAUNCH_TTL)} == {first, new}


def test_the_order_is_one_of_each_user_then_the_next(harness: JobStoreHarness) -> None:
    busy, newcomer = harness.make_user(), harness.make_user()
    first, second = [harness.pending(busy) for _ in range(2)]
    new = harness.pending(newcomer)

    assert [launch.job_id for launch in harness.store.lease_pending(3, LAUNCH_TTL)] == [first, new, second]


def test_launches_that_are_lost_use_up_no_attempt(harness: JobStoreHarness) -> None:
    job_id = harness.pending()
    for number in range(1, 60):
        assert [launch.number for launch in harness.store.lease_pending(10, LAUNCH_TTL)] == [number]
        harness.pass_time(61)
    job, claim = harness.store.claim(job_id, "run", LEASE)

    assert job.attempt == claim.attempt == 1
    assert harness.store.fail_attempt(claim, Failure.of(WorkerLost), 2)
    assert harness.status(job_id) is Status.PENDING


def test_what_is_given_back_is_due_at_once(harness: JobStoreHarness) -> None:
    kept, returned, claimed = [harness.pending() for _ in range(3)]
    launches = {launch.job_id: launch for launch in harness.store.lease_pending(3, LAUNCH_TTL)}
    harness.store.claim(claimed, "run", LEASE)
    harness.store.unlease([launches[returned], launches[claimed]])

    again = Launch(returned, launches[returned].number + 1)
    assert harness.store.lease_pending(10, LAUNCH_TTL) == [again]
    harness.store.unlease([launches[returned]])
    assert harness.store.lease_pending(10, LAUNCH_TTL) == []
    assert harness.status(kept) is Status.PENDING


def test_a_claim_is_given_once(harness: JobStoreHarness) -> None:
    claim = harness.running("run-1")
    job = harness.store.load(claim.job_id)

    assert job is not None
    assert (job.status, job.run_id, job.attempt) == (Status.RUNNING, "run-1", 1)
    with pytest.raises(ClaimLost):
        harness.store.claim(claim.job_id, "run-1", LEASE)


def test_an_unknown_export_cannot_be_claimed(harness: JobStoreHarness) -> None:
    with pytest.raises(ClaimLost):
        harness.store.claim(JobId(uuid4()), "run", LEASE)


def test_it_is_known_whether_runs_still_begin_exports(harness: JobStoreHarness) -> None:
    second = timedelta(seconds=1)
    harness.pending()
    assert not harness.store.started_since(second)
    claim = harness.running()
    assert harness.store.started_since(second)
    harness.pass_time(2)
    assert not harness.store.started_since(second)
    assert harness.store.started_since(LEASE)
    harness.store.complete(claim, factories.artifact(), DAY)

    assert not harness.store.started_since(LEASE)


def test_a_heartbeat_prolongs_the_lease(harness: JobStoreHarness) -> None:
    claim = harness.running()
    harness.pass_time(15)
    assert harness.store.renew(claim, LEASE, {"rows_written": 5})
    harness.pass_time(15)

    assert harness.store.expired_leases(10) == []


def test_a_silent_worker_is_overdue(harness: JobStoreHarness) -> None:
    claim = harness.running()
    harness.pass_time(21)

    assert harness.store.expired_leases(10) == [claim]


def test_publishing_needs_a_claim_and_a_lease(harness: JobStoreHarness) -> None:
    claim = harness.running()
    with harness.store.publishing(claim):
        pass
    with pytest.raises(ClaimLost), harness.store.publishing(Claim(claim.job_id, claim.attempt, "another")):
        pytest.fail("published without the token")
    harness.pass_time(21)
    with pytest.raises(ClaimLost), harness.store.publishing(claim):
        pytest.fail("published without a lease")


def test_completion_stores_the_facts_and_the_end_of_retention(harness: JobStoreHarness) -> None:
    claim = harness.completed()
    job = harness.store.load(claim.job_id)

    assert job is not None
    assert job.completed_at is not None
    assert (job.status, job.artifact) == (Status.COMPLETED, factories.artifact())
    assert job.expires_at == job.completed_at + DAY


def test_completion_happens_once_and_for_the_current_claim(harness: JobStoreHarness) -> None:
    claim = harness.running()
    other = Claim(claim.job_id, claim.attempt, "another")

    assert not harness.store.complete(other, factories.artifact(), DAY)
    assert harness.store.complete(claim, factories.artifact(), DAY)
    assert not harness.store.complete(claim, factories.artifact(row_count=9), DAY)


def test_several_exports_are_completed_at_once_and_those_of_other_claims_are_not(harness: JobStoreHarness) -> None:
    first, second, third = (harness.running() for _ in range(3))
    published = {
        first: factories.artifact(row_count=1),
        second: factories.artifact(row_count=2),
        Claim(third.job_id, third.attempt, "another"): factories.artifact(),
    }

    assert set(harness.store.complete_all(published, DAY)) == {first.job_id, second.job_id}
    jobs = [harness.store.load(claim.job_id) for claim in (first, second, third)]
    assert [job and job.artifact for job in jobs] == [
        factories.artifact(row_count=1),
        factories.artifact(row_count=2),
        None,
    ]
    assert not harness.store.complete_all(published, DAY)
    assert not harness.store.complete_all({}, DAY)


def test_a_published_file_completes_its_export_after_the_lease(harness: JobStoreHarness) -> None:
    claim = harness.running()
    harness.pass_time(100)

    assert harness.store.complete(claim, factories.artifact(), DAY)


def test_the_time_to_the_next_launch_is_known(harness: JobStoreHarness) -> None:
    assert harness.store.time_to_next_launch() is None
    harness.pending()
    due = harness.store.time_to_next_launch()
    assert due is not None
    assert due <= timedelta(0)
    harness.store.lease_pending(1, timedelta(seconds=60))
    later = harness.store.time_to_next_launch()
    assert later is not None
    assert timedelta(seconds=30) < later <= timedelta(seconds=60)
    harness.pass_time(61)
    due = harness.store.time_to_next_launch()
    assert due is not None
    assert due <= timedelta(0)


def fail(harness: JobStoreHarness, claim: Claim, failure: Failure, wait: float) -> Claim | None:
    """End an attempt; the claim of the next one, which becomes due in so many seconds or somewhat sooner."""
    assert harness.store.fail_attempt(claim, failure, 3)
    if harness.status(claim.job_id) is Status.FAILED:
        return None
    harness.pass_time(wait / 2 - 0.5)
    assert harness.store.lease_pending(10, LAUNCH_TTL) == []
    harness.pass_time(wait / 2 + 0.5)
    assert len(harness.store.lease_pending(10, LAUNCH_TTL)) == 1
    return harness.store.claim(claim.job_id, "again", LEASE)[1]


def test_a_lost_worker_waits_longer_each_time_until_the_attempts_are_used(harness: JobStoreHarness) -> None:
    lost = Failure.of(WorkerLost)
    claim = harness.running()
    for wait in (2, 4):
        again = fail(harness, claim, lost, wait)
        assert again
        claim = again
    assert fail(harness, claim, lost, 8) is None

    job = harness.store.load(claim.job_id)
    assert job is not None
    assert (job.status, job.failure, job.attempt) == (Status.FAILED, lost, 3)


def test_a_transient_failure_is_tried_for_five_minutes_whatever_the_attempts(harness: JobStoreHarness) -> None:
    claim, waited = harness.running(), 0
    for wait in (2, 4, 8, 16, *[30] * 9):
        again = fail(harness, claim, TRANSIENT, wait)
        assert again
        claim, waited = again, waited + wait
    assert waited >= 300
    assert fail(harness, claim, TRANSIENT, 30) is None

    job = harness.store.load(claim.job_id)
    assert job is not None
    assert (job.status, job.failure, job.attempt) == (Status.FAILED, TRANSIENT, 14)


def test_a_worker_that_is_lost_after_transient_failures_is_no_end(harness: JobStoreHarness) -> None:
    claim = harness.running()
    for wait in (2, 4, 8, 16):
        again = fail(harness, claim, TRANSIENT, wait)
        assert again
        claim = again

    assert fail(harness, claim, Failure.of(WorkerLost), 30)


def test_a_long_attempt_leaves_others_to_a_transient_failure(harness: JobStoreHarness) -> None:
    claim = harness.running()
    harness.pass_time(3600)
    assert fail(harness, claim, TRANSIENT, 2)


def test_the_wait_does_not_grow_beyond_all_bounds(harness: JobStoreHarness) -> None:
    claim = harness.running()
    for _ in range(70):
        assert harness.store.fail_attempt(claim, TRANSIENT, 1000)
        claim = harness.store.claim(claim.job_id, "again", LEASE)[1]
    assert claim.attempt == 71
    assert harness.store.fail_attempt(claim, TRANSIENT, 1000)
    harness.pass_time(30)

    assert len(harness.store.lease_pending(10, LAUNCH_TTL)) == 1


def test_a_permanent_failure_ends_the_export(harness: JobStoreHarness) -> None:
    claim = harness.running()
    harness.store.fail_attempt(claim, PERMANENT, 3)

    job = harness.store.load(claim.job_id)
    assert job is not None
    assert (job.status, job.failure, job.completed_at is None) == (Status.FAILED, PERMANENT, False)


def test_only_the_current_claim_can_give_up(harness: JobStoreHarness) -> None:
    claim = harness.running()
    harness.store.fail_attempt(claim, TRANSIENT, 3)

    assert not harness.store.fail_attempt(claim, PERMANENT, 3)
    assert harness.status(claim.job_id) is Status.PENDING


def test_the_end_of_a_run_ends_what_it_still_holds(harness: JobStoreHarness) -> None:
    lost, other = harness.running("lost"), harness.running("other")

    assert harness.store.fail_run("lost", TRANSIENT, 3) == [lost.job_id]
    assert harness.store.fail_run("lost", TRANSIENT, 3) == []
    assert (harness.status(lost.job_id), harness.status(other.job_id)) == (Status.PENDING, Status.RUNNING)


def test_an_owner_cancels_what_is_live(harness: JobStoreHarness) -> None:
    user = harness.make_user()
    job_id = harness.pending(user)

    for _ in range(2):
        job = harness.store.cancel(user.user_id, job_id)
        assert job is not None
        assert job.status is Status.CANCELLED
    with pytest.raises(ClaimLost):
        harness.store.claim(job_id, "run", LEASE)


def test_nobody_else_can_cancel(harness: JobStoreHarness) -> None:
    job_id = harness.pending()

    assert harness.store.cancel(UserId(uuid4()), job_id) is None
    assert harness.status(job_id) is Status.PENDING


def test_a_cancelled_claim_is_lost(harness: JobStoreHarness) -> None:
    claim = harness.running()
    job = harness.store.load(claim.job_id)
    assert job is not None
    harness.store.cancel(job.user_id, job.id)

    assert not harness.store.renew(claim, LEASE, {})
    assert not harness.store.complete(claim, factories.artifact(), DAY)
    with pytest.raises(ClaimLost), harness.store.publishing(claim):
        pytest.fail("published after the cancel")


def test_a_completed_export_can_be_made_again_and_keeps_its_expiry(harness: JobStoreHarness) -> None:
    first = harness.completed()
    before = harness.store.load(first.job_id)
    with pytest.raises(ClaimLost):
        harness.store.claim(first.job_id, "late", LEASE)
    again = harness.store.claim(first.job_id, "again", LEASE, remake=True)[1]
    assert harness.store.complete(again, factories.artifact(row_count=3), DAY)

    job = harness.store.load(first.job_id)
    assert before is not None
    assert job is not None
    assert (job.status, job.expires_at) == (Status.COMPLETED, before.expires_at)
    assert job.artifact == factories.artifact(row_count=3)


def test_failing_to_make_a_completed_export_again_leaves_it_as_it_was(harness: JobStoreHarness) -> None:
    first = harness.completed()
    again = harness.store.claim(first.job_id, "again", LEASE, remake=True)[1]
    assert harness.store.fail_attempt(again, PERMANENT, 3)

    job = harness.store.load(first.job_id)
    assert job is not None
    assert (job.status, job.artifact) == (Status.COMPLETED, factories.artifact())


def test_an_export_is_expired_for_its_owner_at_once(harness: JobStoreHarness) -> None:
    claim = harness.completed()
    job = harness.store.load(claim.job_id)
    assert job is not None
    harness.pass_time(DAY.total_seconds() + 1)
    found = harness.store.find(job.user_id, job.id)

    assert found is not None
    assert found.status is Status.EXPIRED
    with pytest.raises(ClaimLost):
        harness.store.claim(job.id, "late", LEASE, remake=True)


def test_expired_exports_are_returned_until_their_file_is_gone(harness: JobStoreHarness) -> None:
    kept, old = harness.running(), harness.completed()
    harness.pass_time(DAY.total_seconds() + 1)

    for _ in range(2):
        assert [job.id for job in harness.store.expire(10)] == [old.job_id]
    harness.store.mark_files_removed([old.job_id])
    assert harness.store.expire(10) == []
    assert (harness.status(old.job_id), harness.status(kept.job_id)) == (Status.EXPIRED, Status.RUNNING)


def test_a_skipped_event_is_tried_again_after_growing_waits(harness: JobStoreHarness) -> None:
    harness.store.skip_event(7, "Damaged")
    assert (harness.store.count_skipped_events(), harness.store.skipped_events(10)) == (1, [])
    harness.pass_time(1)
    assert harness.store.skipped_events(10) == [7]
    harness.store.skip_event(7, "Damaged")
    harness.store.skip_event(8, "Damaged")
    assert (harness.store.count_skipped_events(), harness.store.skipped_events(10)) == (2, [])
    harness.pass_time(300)
    assert harness.store.skipped_events(10) == [8, 7]

    harness.store.unskip_event(7)
    assert (harness.store.count_skipped_events(), harness.store.skipped_events(10)) == (1, [8])


def test_a_cursor_never_goes_back(harness: JobStoreHarness) -> None:
    harness.store.advance_cursor("log", 5)
    harness.store.advance_cursor("log", 3)

    assert (harness.store.read_cursor("log"), harness.store.read_cursor("another")) == (5, 0)


def test_the_same_key_makes_one_export(harness: JobStoreHarness) -> None:
    user = harness.make_user()
    idempotency_key = IdempotencyKey(b"key", b"request")
    assert harness.store.find_by_key(user.user_id, idempotency_key) is None
    first = harness.store.create(user, factories.request(), idempotency_key=idempotency_key)

    assert harness.store.create(user, factories.request(), idempotency_key=idempotency_key) == first
    assert harness.store.find_by_key(user.user_id, idempotency_key) == first
    for again in (
        harness.store.find_by_key,
        lambda _, other: harness.store.create(user, factories.request(), idempotency_key=other),
    ):
        with pytest.raises(IdempotencyKeyReused):
            again(user.user_id, IdempotencyKey(b"key", b"another request"))


def test_a_key_belongs_to_its_user(harness: JobStoreHarness) -> None:
    idempotency_key = IdempotencyKey(b"key", b"request")
    one, other = (
        harness.store.create(harness.make_user(), factories.request(), idempotency_key=idempotency_key)
        for _ in range(2)
    )

    assert one.id != other.id


def test_a_user_has_so_many_unfinished_exports_and_no_more(harness: JobStoreHarness) -> None:
    user, other = harness.make_user(), harness.make_user()
    first = harness.store.create(user, factories.request(), max_unfinished=2)
    harness.store.create(user, factories.request(), max_unfinished=2)
    with pytest.raises(TooManyExports):
        harness.store.create(user, factories.request(), max_unfinished=2)

    harness.store.create(other, factories.request(), max_unfinished=2)
    harness.store.cancel(user.user_id, first.id)
    harness.store.create(user, factories.request(), max_unfinished=2)


def test_a_retry_says_of_what(harness: JobStoreHarness) -> None:
    user = harness.make_user()
    first = harness.pending(user)
    again = harness.store.create(user, factories.request(), retry_of=first)
    found = harness.store.find(user.user_id, again.id)

    assert found is not None
    assert found.retry_of == first


def test_exports_are_listed_newest_first_in_pages(harness: JobStoreHarness) -> None:
    user = harness.make_user()
    asked = [harness.store.create(user, factories.request()) for _ in range(5)]
    harness.pending()
    first = harness.store.list_for_user(user.user_id, ExportFilter(), 2)
    second = harness.store.list_for_user(user.user_id, ExportFilter(), 9, (first[-1].created_at, first[-1].id))

    assert [*first, *second] == asked[::-1]


def test_a_list_can_be_restricted(harness: JobStoreHarness) -> None:
    user = harness.make_user()
    dropped = harness.pending(user)
    harness.store.cancel(user.user_id, dropped)
    kept = harness.store.create(user, factories.request(format=Format.PARQUET))

    def listed(**which: Any) -> list[JobId]:
        return [job.id for job in harness.store.list_for_user(user.user_id, ExportFilter(**which), 10)]

    assert listed(statuses=(Status.CANCELLED, Status.FAILED)) == [dropped]
    assert listed(formats=(Format.PARQUET,)) == [kept.id]
    assert listed(dataset_id=kept.request.dataset_id) == [kept.id, dropped]
    assert listed(dataset_id=dataset_id("another")) == []
    assert listed(created_after=kept.created_at) == []
    assert listed(created_before=kept.created_at) == [dropped]


def test_an_export_past_its_time_is_listed_as_expired(harness: JobStoreHarness) -> None:
    claim = harness.completed()
    job = harness.store.load(claim.job_id)
    assert job is not None
    harness.pass_time(DAY.total_seconds() + 1)

    for statuses, found in (((Status.EXPIRED,), [job.id]), ((Status.COMPLETED,), [])):
        assert [
            item.id for item in harness.store.list_for_user(job.user_id, ExportFilter(statuses=statuses), 9)
        ] == found


def test_those_ahead_are_launched_before(harness: JobStoreHarness) -> None:
    busy = harness.make_user()
    first, second, third = (harness.pending(busy) for _ in range(3))
    other = harness.pending()
    assert [harness.store.queue_position(job_id) for job_id in (first, other, second, third)] == [1, 2, 3, 4]
    harness.store.claim(first, "run", LEASE)

    assert [harness.store.queue_position(job_id) for job_id in (other, second, third)] == [1, 2, 3]


def test_progress_is_that_of_the_running_attempt(harness: JobStoreHarness) -> None:
    claim = harness.running()
    job = harness.store.load(claim.job_id)
    assert job is not None
    harness.store.renew(claim, LEASE, {"rows_written": 5, "bytes_written": 7, "rows_total": 10})
    found = harness.store.find(job.user_id, job.id)
    assert found is not None
    assert found.progress == Progress(5, 7, 10)

    harness.store.complete(claim, factories.artifact(), DAY)
    found = harness.store.find(job.user_id, job.id)
    assert found is not None
    assert found.progress is None


def test_an_owner_discards_what_is_completed(harness: JobStoreHarness) -> None:
    claim = harness.completed()
    job = harness.store.load(claim.job_id)
    assert job is not None
    for _ in range(2):
        discarded = harness.store.discard(job.user_id, job.id)
        assert discarded is not None
        assert discarded.status is Status.EXPIRED

    assert [expired.id for expired in harness.store.expire(10)] == [job.id]
    assert harness.store.discard(UserId(uuid4()), job.id) is None


def test_nothing_else_can_be_discarded(harness: JobStoreHarness) -> None:
    user = harness.make_user()
    job = harness.store.discard(user.user_id, harness.pending(user))

    assert job is not None
    assert job.status is Status.PENDING


def test_a_key_is_forgotten_when_it_is_old(harness: JobStoreHarness) -> None:
    user, idempotency_key = harness.make_user(), IdempotencyKey(b"key", b"request")
    first = harness.store.create(user, factories.request(), idempotency_key=idempotency_key)
    assert harness.store.delete_idempotency_keys(DAY) == 0
    harness.pass_time(1)

    assert harness.store.delete_idempotency_keys(timedelta(0)) == 1
    assert harness.store.find_by_key(user.user_id, idempotency_key) is None
    assert harness.store.create(user, factories.request(), idempotency_key=idempotency_key).id != first.id


def test_facts_of_a_replacement_are_known_before_its_file_and_hold_after(harness: JobStoreHarness) -> None:
    first = harness.completed()
    job = harness.store.load(first.job_id)
    assert job is not None
    again = harness.store.claim(first.job_id, "again", LEASE, remake=True)[1]
    assert again.attempt == first.attempt + 1
    new = factories.artifact(row_count=3)
    with harness.store.publishing(again, new):
        during = harness.store.find(job.user_id, job.id)
    after = harness.store.find(job.user_id, job.id)
    harness.store.complete(again, new, DAY)
    ended = harness.store.find(job.user_id, job.id)

    assert during is not None
    assert (during.replacing, during.artifact, during.replacement) == (True, factories.artifact(), new)
    assert after is not None
    assert (after.replacing, after.artifact, after.replacement) == (True, new, None)
    assert ended is not None
    assert (ended.replacing, ended.artifact, ended.replacement) == (False, new, None)


def test_a_replacement_that_comes_to_nothing_is_forgotten(harness: JobStoreHarness) -> None:
    first = harness.completed()
    again = harness.store.claim(first.job_id, "again", LEASE, remake=True)[1]
    with pytest.raises(KeyError), harness.store.publishing(again, factories.artifact(row_count=3)):
        raise KeyError
    harness.store.fail_attempt(again, PERMANENT, 3)
    job = harness.store.load(first.job_id)

    assert job is not None
    assert (job.artifact, job.replacement) == (factories.artifact(), None)
