"""The projection of the event log onto the jobs table."""

from datetime import timedelta
from typing import Any

import pytest

from analytics_exports.domain.errors import RunCancelled
from analytics_exports.domain.export import Claim, Failure, Status
from analytics_exports.ports import Materialised, RunEnded
from analytics_exports.services.event_log_projection import CURSOR_NAME, PAGE, EventLogProjection
from analytics_exports.services.production import artifact_key
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.artifacts import FakeArtifactStore
from analytics_exports_tests.fakes.jobs import FakeJobStore
from analytics_exports_tests.fakes.orchestrator import FakeOrchestrator

LEASE, DAY = timedelta(seconds=20), timedelta(hours=24)


class World:
    """The projection over fakes."""

    def __init__(self) -> None:
        self.jobs = FakeJobStore()
        self.artifacts = FakeArtifactStore()
        self.dagster = FakeOrchestrator()
        self.projection = EventLogProjection(self.jobs, self.artifacts, self.dagster, DAY, max_attempts=2)

    def running(self, run_id: str = "run") -> Claim:
        job = self.jobs.create(factories.principal(), factories.request())
        self.jobs.lease_pending(1000, LEASE)
        return self.jobs.claim(job.id, run_id, LEASE)[1]

    def publish(self, claim: Claim) -> str:
        """What a worker does when it has written a file; where the file is."""
        key = artifact_key(self.jobs.rows[claim.job_id].job)
        self.artifacts.files[key] = b""
        self.dagster.log.append(Materialised(claim, factories.artifact()))
        return key

    def cancel(self, claim: Claim) -> None:
        assert self.jobs.cancel(self.jobs.rows[claim.job_id].job.user_id, claim.job_id)

    def status(self, claim: Claim) -> Status:
        return self.jobs.rows[claim.job_id].job.status


@pytest.fixture
def world() -> World:
    return World()


def test_a_publication_completes_its_export(world: World) -> None:
    claim = world.running()
    world.dagster.log.append(Materialised(claim, factories.artifact()))
    world.projection.catch_up()

    assert world.status(claim) is Status.COMPLETED


def test_following_twice_changes_nothing(world: World) -> None:
    claim = world.running()
    world.dagster.log.append(Materialised(claim, factories.artifact()))
    world.projection.catch_up()
    before = world.jobs.rows[claim.job_id].job
    world.jobs.pass_time(5)
    world.projection.catch_up()
    EventLogProjection(world.jobs, world.artifacts, FakeOrchestrator(), DAY, max_attempts=2).catch_up()

    assert world.jobs.rows[claim.job_id].job == before


def test_everything_that_happened_while_nobody_read_is_taken_in(world: World) -> None:
    claims = [world.running() for _ in range(PAGE + 50)]
    world.dagster.log += [Materialised(claim, factories.artifact()) for claim in claims]
    world.jobs.pass_time(3600)
    world.projection.catch_up()

    assert {world.status(claim) for claim in claims} == {Status.COMPLETED}


def test_a_publication_of_another_claim_is_not_believed(world: World) -> None:
    claim = world.running()
    world.dagster.log.append(Materialised(Claim(claim.job_id, claim.attempt, "another"), factories.artifact()))
    world.projection.catch_up()

    assert world.status(claim) is Status.RUNNING


def test_the_file_of_an_export_that_was_cancelled_after_its_publication_is_removed(world: World) -> None:
    claim, other = world.running(), world.running()
    key, kept = world.publish(claim), world.publish(other)
    world.cancel(claim)
    world.projection.catch_up()
    world.dagster.log.append(Materialised(other, factories.artifact()))
    world.projection.catch_up()

    assert world.status(claim) is Status.CANCELLED
    assert world.artifacts.files.keys() == {kept}
    assert key != kept


def test_a_file_that_cannot_be_removed_now_is_left_to_the_sweep(world: World) -> None:
    claim, other = world.running(), world.running()
    world.publish(claim)
    world.publish(other)
    world.cancel(claim)
    world.artifacts.away = True
    world.projection.catch_up()

    assert world.status(other) is Status.COMPLETED


def test_a_failed_run_is_tried_again(world: World) -> None:
    claim = world.running()
    world.dagster.log.append(RunEnded("run", cancelled=False))
    world.projection.catch_up()

    assert world.status(claim) is Status.PENDING


def test_a_run_that_an_operator_cancelled_is_not_tried_again(world: World) -> None:
    claim = world.running()
    world.dagster.log.append(RunEnded("run", cancelled=True))
    world.projection.catch_up()

    assert world.jobs.rows[claim.job_id].job.failure == Failure.of(RunCancelled)
    assert world.status(claim) is Status.FAILED


def test_a_run_that_published_and_then_failed_is_completed(world: World) -> None:
    claim = world.running()
    world.dagster.log += [Materialised(claim, factories.artifact()), RunEnded("run", cancelled=False)]
    world.projection.catch_up()

    assert world.status(claim) is Status.COMPLETED


def test_a_silent_worker_loses_its_export(world: World) -> None:
    claim = world.running()
    world.jobs.pass_time(21)
    world.projection.catch_up()

    assert world.status(claim) is Status.PENDING


def test_attempts_are_bounded(world: World) -> None:
    claim = world.running()
    world.jobs.pass_time(100)
    world.projection.catch_up()
    world.jobs.pass_time(100)
    assert [launch.number for launch in world.jobs.lease_pending(1, LEASE)] == [2]
    world.jobs.claim(claim.job_id, "again", LEASE)
    world.jobs.pass_time(100)
    world.projection.catch_up()

    assert world.status(claim) is Status.FAILED


def test_a_publication_that_became_visible_late_is_found_before_the_export_is_made_again(world: World) -> None:
    claim = world.running()
    world.jobs.advance_cursor(CURSOR_NAME, 10)
    world.dagster.log.append(Materialised(claim, factories.artifact()))
    world.jobs.pass_time(21)
    world.projection.catch_up()

    assert world.status(claim) is Status.COMPLETED


def test_an_event_that_cannot_be_read_is_in_nobodys_way_and_is_tried_again(world: World) -> None:
    lost, other = world.running(), world.running()
    world.dagster.log += [Materialised(claim, factories.artifact()) for claim in (lost, other)]
    world.dagster.damaged = {1}
    world.projection.catch_up()

    assert (world.status(lost), world.status(other)) == (Status.RUNNING, Status.COMPLETED)
    assert world.jobs.count_skipped_events() == 1
    world.dagster.damaged = set()
    world.jobs.pass_time(2)
    world.projection.catch_up()
    assert world.status(lost) is Status.COMPLETED
    assert world.jobs.count_skipped_events() == 0


@pytest.mark.parametrize("method", ["complete", "fail_run", "load"])
def test_an_event_that_the_tables_do_not_take_is_in_nobodys_way(
    world: World, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    poisoned, other = world.running("poisoned"), world.running()
    world.cancel(poisoned)
    usual = getattr(world.jobs, method)

    def refuse(what: object, *arguments: object) -> object:
        if what in (poisoned, poisoned.job_id, "poisoned"):
            raise ArithmeticError
        return usual(what, *arguments)

    monkeypatch.setattr(world.jobs, method, refuse)
    world.publish(poisoned)
    world.dagster.log.append(RunEnded("poisoned", cancelled=False))
    world.publish(other)
    world.projection.catch_up()

    assert world.status(other) is Status.COMPLETED
    assert world.jobs.count_skipped_events() == 1


def test_a_skipped_event_that_dagster_has_deleted_is_forgotten(world: World) -> None:
    world.jobs.skip_event(77, "Damaged")
    world.jobs.pass_time(2)
    world.projection.catch_up()

    assert world.jobs.count_skipped_events() == 0


def test_a_row_that_cannot_be_ended_keeps_no_other_from_being_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, other = world.running(), world.running()
    usual = world.jobs.fail_attempt

    def refuse(claim: Claim, *arguments: Any) -> bool:
        if claim == stuck:
            raise ArithmeticError
        return usual(claim, *arguments)

    monkeypatch.setattr(world.jobs, "fail_attempt", refuse)
    world.jobs.pass_time(21)
    world.projection.catch_up()

    assert (world.status(stuck), world.status(other)) == (Status.RUNNING, Status.PENDING)


@pytest.mark.parametrize("how", ["its run failed", "its worker is silent"])
def test_the_file_of_an_export_that_failed_after_all_is_removed(world: World, how: str) -> None:
    claim = world.running()
    key = world.publish(claim)
    world.dagster.log.clear()  # its worker was killed before it could tell
    world.projection = EventLogProjection(world.jobs, world.artifacts, world.dagster, DAY, max_attempts=1)
    if how == "its run failed":
        world.dagster.log.append(RunEnded("run", cancelled=False))
    world.jobs.pass_time(21)
    world.projection.catch_up()

    assert world.status(claim) is Status.FAILED
    assert key not in world.artifacts.files
