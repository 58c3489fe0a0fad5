"""The projection of the event log onto the jobs table."""

from datetime import timedelta
from typing import Any

import pytest

from analytics_exports.domain.errors import RunCancelled
from analytics_exports.domain.export import Claim, Failure, Status
from analytics_exports.ports import Materialised, RunEnded
from analytics_exports.services.event_log_projection import CURSOR_NAME, PAGE, EventLogProjection
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.adapters import LEASE, FakeAdapters
from analytics_exports_tests.fakes.orchestrator import FakeOrchestrator

DAY = timedelta(hours=24)


@pytest.fixture
def projection(adapters: FakeAdapters) -> EventLogProjection:
    return EventLogProjection(adapters.jobs, adapters.artifacts, adapters.orchestrator, DAY, max_attempts=2)


def test_a_publication_completes_its_export(adapters: FakeAdapters, projection: EventLogProjection) -> None:
    claim = adapters.running()
    adapters.orchestrator.log.append(Materialised(claim, factories.artifact()))
    projection.catch_up()

    assert adapters.status(claim.job_id) is Status.COMPLETED


def test_following_twice_changes_nothing(adapters: FakeAdapters, projection: EventLogProjection) -> None:
    claim = adapters.running()
    adapters.orchestrator.log.append(Materialised(claim, factories.artifact()))
    projection.catch_up()
    before = adapters.job(claim.job_id)
    adapters.jobs.pass_time(5)
    projection.catch_up()
    EventLogProjection(adapters.jobs, adapters.artifacts, FakeOrchestrator(), DAY, max_attempts=2).catch_up()

    assert adapters.job(claim.job_id) == before


def test_everything_that_happened_while_nobody_read_is_taken_in(
    adapters: FakeAdapters, projection: EventLogProjection
) -> None:
    claims = [adapters.running() for _ in range(PAGE + 50)]
    adapters.orchestrator.log += [Materialised(claim, factories.artifact()) for claim in claims]
    adapters.jobs.pass_time(3600)
    projection.catch_up()

    assert {adapters.status(claim.job_id) for claim in claims} == {Status.COMPLETED}


def test_a_publication_of_another_claim_is_not_believed(adapters: FakeAdapters, projection: EventLogProjection) -> None:
    claim = adapters.running()
    adapters.orchestrator.log.append(Materialised(Claim(claim.job_id, claim.attempt, "another"), factories.artifact()))
    projection.catch_up()

    assert adapters.status(claim.job_id) is Status.RUNNING


def test_the_file_of_an_export_that_was_cancelled_after_its_publication_is_removed(
    adapters: FakeAdapters, projection: EventLogProjection
) -> None:
    claim, other = adapters.running(), adapters.running()
    key, kept = adapters.publish(claim), adapters.publish(other)
    adapters.cancel(claim.job_id)
    projection.catch_up()
    adapters.orchestrator.log.append(Materialised(other, factories.artifact()))
    projection.catch_up()

    assert adapters.status(claim.job_id) is Status.CANCELLED
    assert adapters.artifacts.files.keys() == {kept}
    assert key != kept


def test_a_file_that_cannot_be_removed_now_is_left_to_the_sweep(
    adapters: FakeAdapters, projection: EventLogProjection
) -> None:
    claim, other = adapters.running(), adapters.running()
    adapters.publish(claim)
    adapters.publish(other)
    adapters.cancel(claim.job_id)
    adapters.artifacts.away = True
    projection.catch_up()

    assert adapters.status(other.job_id) is Status.COMPLETED


def test_a_failed_run_is_tried_again(adapters: FakeAdapters, projection: EventLogProjection) -> None:
    claim = adapters.running()
    adapters.orchestrator.log.append(RunEnded("run", cancelled=False))
    projection.catch_up()

    assert adapters.status(claim.job_id) is Status.PENDING


def test_a_run_that_an_operator_cancelled_is_not_tried_again(
    adapters: FakeAdapters, projection: EventLogProjection
) -> None:
    claim = adapters.running()
    adapters.orchestrator.log.append(RunEnded("run", cancelled=True))
    projection.catch_up()

    assert adapters.job(claim.job_id).failure == Failure.of(RunCancelled)
    assert adapters.status(claim.job_id) is Status.FAILED


def test_a_run_that_published_and_then_failed_is_completed(
    adapters: FakeAdapters, projection: EventLogProjection
) -> None:
    claim = adapters.running()
    adapters.orchestrator.log += [Materialised(claim, factories.artifact()), RunEnded("run", cancelled=False)]
    projection.catch_up()

    assert adapters.status(claim.job_id) is Status.COMPLETED


def test_a_silent_worker_loses_its_export(adapters: FakeAdapters, projection: EventLogProjection) -> None:
    claim = adapters.running()
    adapters.jobs.pass_time(21)
    projection.catch_up()

    assert adapters.status(claim.job_id) is Status.PENDING


def test_attempts_are_bounded(adapters: FakeAdapters, projection: EventLogProjection) -> None:
    claim = adapters.running()
    adapters.jobs.pass_time(100)
    projection.catch_up()
    adapters.jobs.pass_time(100)
    assert [launch.number for launch in adapters.jobs.lease_pending(1, LEASE)] == [2]
    adapters.jobs.claim(claim.job_id, "again", LEASE)
    adapters.jobs.pass_time(100)
    projection.catch_up()

    assert adapters.status(claim.job_id) is Status.FAILED


def test_a_publication_that_became_visible_late_is_found_before_the_export_is_made_again(
    adapters: FakeAdapters, projection: EventLogProjection
) -> None:
    claim = adapters.running()
    adapters.jobs.advance_cursor(CURSOR_NAME, 10)
    adapters.orchestrator.log.append(Materialised(claim, factories.artifact()))
    adapters.jobs.pass_time(21)
    projection.catch_up()

    assert adapters.status(claim.job_id) is Status.COMPLETED


def test_an_event_that_cannot_be_read_is_in_nobodys_way_and_is_tried_again(
    adapters: FakeAdapters, projection: EventLogProjection
) -> None:
    lost, other = adapters.running(), adapters.running()
    adapters.orchestrator.log += [Materialised(claim, factories.artifact()) for claim in (lost, other)]
    adapters.orchestrator.damaged = {1}
    projection.catch_up()

    assert (adapters.status(lost.job_id), adapters.status(other.job_id)) == (Status.RUNNING, Status.COMPLETED)
    assert adapters.jobs.count_skipped_events() == 1
    adapters.orchestrator.damaged = set()
    adapters.jobs.pass_time(2)
    projection.catch_up()
    assert adapters.status(lost.job_id) is Status.COMPLETED
    assert adapters.jobs.count_skipped_events() == 0


@pytest.mark.parametrize("method", ["complete", "fail_run", "load"])
def test_an_event_that_the_tables_do_not_take_is_in_nobodys_way(
    adapters: FakeAdapters, projection: EventLogProjection, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    poisoned, other = adapters.running("poisoned"), adapters.running()
    adapters.cancel(poisoned.job_id)
    usual = getattr(adapters.jobs, method)

    def refuse(what: object, *arguments: object) -> object:
        if what in (poisoned, poisoned.job_id, "poisoned"):
            raise ArithmeticError
        return usual(what, *arguments)

    monkeypatch.setattr(adapters.jobs, method, refuse)
    adapters.publish(poisoned)
    adapters.orchestrator.log.append(RunEnded("poisoned", cancelled=False))
    adapters.publish(other)
    projection.catch_up()

    assert adapters.status(other.job_id) is Status.COMPLETED
    assert adapters.jobs.count_skipped_events() == 1


def test_of_several_publications_in_a_row_all_are_completed_but_the_one_that_the_table_does_not_take(
    adapters: FakeAdapters, projection: EventLogProjection, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, poisoned, last = (adapters.running() for _ in range(3))
    usual = adapters.jobs.complete

    def complete(claim: Claim, *arguments: Any) -> bool:
        if claim == poisoned:
            raise ArithmeticError
        return usual(claim, *arguments)

    monkeypatch.setattr(adapters.jobs, "complete", complete)
    keys = [adapters.publish(claim) for claim in (first, poisoned, last)]
    projection.catch_up()

    statuses = [adapters.status(claim.job_id) for claim in (first, poisoned, last)]
    assert statuses == [Status.COMPLETED, Status.RUNNING, Status.COMPLETED]
    assert adapters.artifacts.files.keys() == set(keys)
    assert adapters.jobs.count_skipped_events() == 1


def test_a_skipped_event_that_dagster_has_deleted_is_forgotten(
    adapters: FakeAdapters, projection: EventLogProjection
) -> None:
    adapters.jobs.skip_event(77, "Damaged")
    adapters.jobs.pass_time(2)
    projection.catch_up()

    assert adapters.jobs.count_skipped_events() == 0


def test_a_row_that_cannot_be_ended_keeps_no_other_from_being_ended(
    adapters: FakeAdapters, projection: EventLogProjection, monkeypatch: pytest.MonkeyPatch
) -> None:
    stuck, other = adapters.running(), adapters.running()
    usual = adapters.jobs.fail_attempt

    def refuse(claim: Claim, *arguments: Any) -> bool:
        if claim == stuck:
            raise ArithmeticError
        return usual(claim, *arguments)

    monkeypatch.setattr(adapters.jobs, "fail_attempt", refuse)
    adapters.jobs.pass_time(21)
    projection.catch_up()

    assert (adapters.status(stuck.job_id), adapters.status(other.job_id)) == (Status.RUNNING, Status.PENDING)


@pytest.mark.parametrize("how", ["its run failed", "its worker is silent"])
def test_the_file_of_an_export_that_failed_after_all_is_removed(
    adapters: FakeAdapters, projection: EventLogProjection, how: str
) -> None:
    claim = adapters.running()
    key = adapters.publish(claim)
    adapters.orchestrator.log.clear()  # its worker was killed before it could tell
    projection = EventLogProjection(adapters.jobs, adapters.artifacts, adapters.orchestrator, DAY, max_attempts=1)
    if how == "its run failed":
        adapters.orchestrator.log.append(RunEnded("run", cancelled=False))
    adapters.jobs.pass_time(21)
    projection.catch_up()

    assert adapters.status(claim.job_id) is Status.FAILED
    assert key not in adapters.artifacts.files
