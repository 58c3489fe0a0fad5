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
    POLL_SECONDS,
    LaunchPlan,
    LaunchPlanner,
)
from analytics_exports.services.launch_queue import LaunchQueue
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.artifacts import FakeArtifactStore
from analytics_exports_tests.fakes.jobs import FakeJobStore
from analytics_exports_tests.fakes.orchestrator import FakeOrchestrator
from analytics_exports_tests.fakes.signal import FakeSignal

WORKERS, BURST, RUNS = 4, 6, 2
LAUNCH_TTL = timedelta(seconds=60)


class World:
    """Launching over fakes."""

    def __init__(self) -> None:
        self.jobs = FakeJobStore()
        self.dagster = FakeOrchestrator()
        self.artifacts = FakeArtifactStore()
        queue = LaunchQueue(self.jobs, self.artifacts, self.dagster, LAUNCH_TTL)
        self.launch_planner = LaunchPlanner(queue, self.jobs, self.dagster, WORKERS, BURST, RUNS)

    def pending(self, count: int = 1) -> list[JobId]:
        user = factories.principal()
        return [self.jobs.create(user, factories.request()).id for _ in range(count)]

    def plan(self, *, listeners: int = 2) -> LaunchPlan:
        return self.launch_planner.wait(FakeSignal(listeners=listeners), 0)


@pytest.fixture
def world() -> World:
    return World()


def ids(plan: LaunchPlan) -> list[JobId]:
    return [launch.job_id for launch in plan.launches]


def test_a_few_exports_get_runs_of_their_own(world: World) -> None:
    pending = world.pending(BURST)
    plan = world.plan()

    assert [launch.job_id for launch in plan.single_runs] == pending
    assert plan.batch_runs == ()


def test_many_exports_are_divided_among_few_runs(world: World) -> None:
    pending = world.pending(BURST + 1)
    plan = world.plan()

    assert plan.single_runs == ()
    assert len(plan.batch_runs) == RUNS
    assert sorted(ids(plan)) == sorted(pending)


def test_the_last_sensor_that_listens_starts_a_run_that_listens_in_its_place(world: World) -> None:
    (pending,) = world.pending()
    plan = world.plan(listeners=1)

    assert [[launch.job_id for launch in share] for share in plan.batch_runs] == [[pending]]


def test_nothing_is_launched_while_every_worker_is_busy(world: World) -> None:
    world.pending()
    world.dagster.running = ActiveRuns(total=WORKERS, batches=0)
    assert world.plan() == LaunchPlan()
    world.dagster.running = ActiveRuns(total=WORKERS - 1, batches=0)

    assert len(world.plan().single_runs) == 1


def test_what_is_pending_waits_while_no_file_can_be_written(world: World) -> None:
    (pending,) = world.pending()
    world.artifacts.away = True
    assert world.plan() == LaunchPlan()
    world.artifacts.away, world.artifacts.free_bytes = False, 0
    assert world.plan() == LaunchPlan()
    world.artifacts.free_bytes = 1

    assert ids(world.plan()) == [pending]


def test_while_runs_make_many_only_what_a_free_worker_can_begin_is_launched_beside_them(world: World) -> None:
    world.pending(50)
    world.dagster.running = ActiveRuns(total=RUNS, batches=RUNS)
    plan = world.plan()

    assert len(plan.single_runs) == WORKERS - RUNS
    assert plan.batch_runs == ()


def test_nothing_is_launched_beside_runs_that_make_many_as_long_as_they_begin_exports(world: World) -> None:
    (begun, *_), _ = world.pending(3), world.jobs.lease_pending(1, LAUNCH_TTL)
    world.jobs.claim(begun, "run for many", LAUNCH_TTL)
    world.dagster.running = ActiveRuns(total=RUNS, batches=RUNS)
    assert world.plan() == LaunchPlan()
    world.jobs.pass_time(5)

    assert len(world.plan().single_runs) == WORKERS - RUNS


@given(st.integers(1, 200), st.integers(0, WORKERS), st.integers(0, RUNS), st.integers(1, 4))
def test_a_plan_is_within_its_bounds(count: int, runs: int, batches: int, listeners: int) -> None:
    world = World()
    pending = world.pending(count)
    world.dagster.running = ActiveRuns(max(runs, batches), batches)
    plan = world.plan(listeners=listeners)

    assert len(set(ids(plan))) == len(ids(plan))
    assert set(ids(plan)) <= set(pending)
    assert len(plan.batch_runs) <= min(RUNS - batches, WORKERS - max(runs, batches))
    assert all(0 < len(share) <= BATCH_SIZE * RUNS for share in plan.batch_runs)
    assert bool(ids(plan)) == (max(runs, batches) < WORKERS)


def test_work_that_comes_while_a_sensor_waits_is_launched(world: World) -> None:
    found: list[JobId] = []
    signal = FakeSignal(lambda: None, lambda: found.extend(world.pending()))
    plan = world.launch_planner.wait(signal, 40)

    assert ids(plan) == found
    assert [wait <= POLL_SECONDS for wait in signal.waits] == [True, True]


def test_while_every_worker_is_busy_a_sensor_looks_often(world: World) -> None:
    world.pending()
    world.dagster.running = ActiveRuns(total=WORKERS, batches=0)

    def free() -> None:
        world.dagster.running = ActiveRuns(total=0, batches=0)

    signal = FakeSignal(free)
    assert len(world.launch_planner.wait(signal, 40).single_runs) == 1
    assert signal.waits == [BUSY_POLL_SECONDS]


def test_waiting_ends_when_the_time_is_over(world: World) -> None:
    signal = FakeSignal()

    assert world.launch_planner.wait(signal, 0) == LaunchPlan()
    assert signal.waits == []


def test_everybody_gets_a_place_in_each_share(world: World) -> None:
    many, few = world.pending(20), world.pending(2)
    shares: Sequence[Sequence[JobId]] = [[launch.job_id for launch in share] for share in world.plan().batch_runs]

    assert all(set(share) & set(many) for share in shares)
    assert {job_id for share in shares for job_id in share[:2]} >= set(few)
