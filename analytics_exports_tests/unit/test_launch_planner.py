"""Which exports are launched, and how many runs they are divided among."""

from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_exports.domain.export import JobId
from analytics_exports.ports import ActiveRuns
from analytics_exports.services.launch_planner import (
    BATCH_SIZE,
    BUSY_POLL_SECONDS,
    IDLE_POLL_SECONDS,
    POLL_SECONDS,
    LaunchPlan,
    LaunchPlanner,
)
from analytics_exports_tests.fakes.adapters import LAUNCH_TTL, FakeAdapters
from analytics_exports_tests.fakes.signal import FakeSignal

WORKERS, BURST, RUNS = 4, 6, 2


@pytest.fixture
def planner(adapters: FakeAdapters) -> LaunchPlanner:
    return planner_of(adapters)


def planner_of(adapters: FakeAdapters) -> LaunchPlanner:
    return LaunchPlanner(adapters.launch_queue(), adapters.jobs, adapters.orchestrator, WORKERS, BURST, RUNS)


def plan_now(planner: LaunchPlanner, *, listeners: int = 2) -> LaunchPlan:
    return planner.wait(FakeSignal(listeners=listeners), 0)


def ids(plan: LaunchPlan) -> list[JobId]:
    return [launch.job_id for launch in plan.launches]


def test_a_few_exports_get_runs_of_their_own(adapters: FakeAdapters, planner: LaunchPlanner) -> None:
    pending = adapters.pending(BURST)
    plan = plan_now(planner)

    assert [launch.job_id for launch in plan.single_runs] == pending
    assert plan.batch_runs == ()


def test_many_exports_are_divided_among_few_runs(adapters: FakeAdapters, planner: LaunchPlanner) -> None:
    pending = adapters.pending(BURST + 1)
    plan = plan_now(planner)

    assert plan.single_runs == ()
    assert len(plan.batch_runs) == RUNS
    assert sorted(ids(plan)) == sorted(pending)


def test_the_last_sensor_that_listens_starts_a_run_that_listens_in_its_place(
    adapters: FakeAdapters, planner: LaunchPlanner
) -> None:
    (pending,) = adapters.pending()
    plan = plan_now(planner, listeners=1)

    assert [[launch.job_id for launch in share] for share in plan.batch_runs] == [[pending]]


def test_nothing_is_launched_while_every_worker_is_busy(adapters: FakeAdapters, planner: LaunchPlanner) -> None:
    adapters.pending()
    adapters.orchestrator.running = ActiveRuns(total=WORKERS, batches=0)
    assert plan_now(planner) == LaunchPlan()
    adapters.orchestrator.running = ActiveRuns(total=WORKERS - 1, batches=0)

    assert len(plan_now(planner).single_runs) == 1


def test_what_is_pending_waits_while_no_file_can_be_written(adapters: FakeAdapters, planner: LaunchPlanner) -> None:
    (pending,) = adapters.pending()
    adapters.artifacts.away = True
    assert plan_now(planner) == LaunchPlan()
    adapters.artifacts.away, adapters.artifacts.free_bytes = False, 0
    assert plan_now(planner) == LaunchPlan()
    adapters.artifacts.free_bytes = 1

    assert ids(plan_now(planner)) == [pending]


def test_while_runs_make_many_only_what_a_free_worker_can_begin_is_launched_beside_them(
    adapters: FakeAdapters, planner: LaunchPlanner
) -> None:
    adapters.pending(50)
    adapters.orchestrator.running = ActiveRuns(total=RUNS, batches=RUNS)
    plan = plan_now(planner)

    assert len(plan.single_runs) == WORKERS - RUNS
    assert plan.batch_runs == ()


def test_nothing_is_launched_beside_runs_that_make_many_as_long_as_they_begin_exports(
    adapters: FakeAdapters, planner: LaunchPlanner
) -> None:
    (begun, *_), _ = adapters.pending(3), adapters.jobs.lease_pending(1, LAUNCH_TTL)
    adapters.jobs.claim(begun, "run for many", LAUNCH_TTL)
    adapters.orchestrator.running = ActiveRuns(total=RUNS, batches=RUNS)
    assert plan_now(planner) == LaunchPlan()
    adapters.jobs.pass_time(5)

    assert len(plan_now(planner).single_runs) == WORKERS - RUNS


@given(st.integers(1, 200), st.integers(0, WORKERS), st.integers(0, RUNS), st.integers(1, 4))
def test_a_plan_is_within_its_bounds(count: int, runs: int, batches: int, listeners: int) -> None:
    adapters = FakeAdapters()
    planner = planner_of(adapters)
    pending = adapters.pending(count)
    adapters.orchestrator.running = ActiveRuns(max(runs, batches), batches)
    plan = plan_now(planner, listeners=listeners)

    assert len(set(ids(plan))) == len(ids(plan))
    assert set(ids(plan)) <= set(pending)
    assert len(plan.batch_runs) <= min(RUNS - batches, WORKERS - max(runs, batches))
    assert all(0 < len(share) <= BATCH_SIZE * RUNS for share in plan.batch_runs)
    assert bool(ids(plan)) == (max(runs, batches) < WORKERS)


def test_work_that_comes_while_a_sensor_waits_is_launched(adapters: FakeAdapters, planner: LaunchPlanner) -> None:
    found: list[JobId] = []
    signal = FakeSignal(lambda: None, lambda: found.extend(adapters.pending()))
    plan = planner.wait(signal, 40)

    assert ids(plan) == found
    assert signal.waits == [IDLE_POLL_SECONDS] * 2


def test_while_every_worker_is_busy_a_sensor_looks_often(adapters: FakeAdapters, planner: LaunchPlanner) -> None:
    adapters.pending()
    adapters.orchestrator.running = ActiveRuns(total=WORKERS, batches=0)

    def free() -> None:
        adapters.orchestrator.running = ActiveRuns(total=0, batches=0)

    signal = FakeSignal(free)
    assert len(planner.wait(signal, 40).single_runs) == 1
    assert signal.waits == [BUSY_POLL_SECONDS]


def test_a_sensor_looks_again_when_a_retry_is_due(adapters: FakeAdapters, planner: LaunchPlanner) -> None:
    (waits,) = adapters.pending()
    adapters.jobs.rows[waits].launch_after += timedelta(seconds=1.5)
    signal = FakeSignal(lambda: adapters.jobs.pass_time(1.5))

    assert ids(planner.wait(signal, 40)) == [waits]
    assert signal.waits == [1.5]


def test_what_could_be_launched_but_not_stored_is_looked_at_every_few_seconds(
    adapters: FakeAdapters, planner: LaunchPlanner
) -> None:
    (waits,) = adapters.pending()
    adapters.artifacts.away = True
    signal = FakeSignal(lambda: setattr(adapters.artifacts, "away", False))

    assert ids(planner.wait(signal, 40)) == [waits]
    assert signal.waits == [POLL_SECONDS]


def test_waiting_ends_when_the_time_is_over(planner: LaunchPlanner) -> None:
    signal = FakeSignal()

    assert planner.wait(signal, 0) == LaunchPlan()
    assert signal.waits == []


def test_everybody_gets_a_place_in_each_share(adapters: FakeAdapters, planner: LaunchPlanner) -> None:
    many, few = adapters.pending(20), adapters.pending(2)
    shares: Sequence[Sequence[JobId]] = [[launch.job_id for launch in share] for share in plan_now(planner).batch_runs]

    assert all(set(share) & set(many) for share in shares)
    assert {job_id for share in shares for job_id in share[:2]} >= set(few)
