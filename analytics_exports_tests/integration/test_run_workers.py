"""Runs on the worker pool: real processes that are cancelled, crash, are retired and are killed."""

import os
import signal
import stat
import sys
from collections.abc import Iterator
from datetime import timedelta
from itertools import count
from pathlib import Path

import psutil
import pytest
from dagster import DagsterEvent, DagsterRunStatus
from dagster._core.launcher import LaunchRunContext, WorkerStatus

from analytics_exports.development.postgres import EmbeddedPostgres
from analytics_exports.orchestration.warm import coordinator, launcher
from analytics_exports.orchestration.warm.coordinator import resubmit_queued
from analytics_exports.worker_pool.protocol import socket_path
from analytics_exports_tests.conftest import TEMPLATE
from analytics_exports_tests.run_workers import Workers, gone, run_workers
from analytics_exports_tests.waiting import until

CANCELED, FAILURE, SUCCESS = DagsterRunStatus.CANCELED, DagsterRunStatus.FAILURE, DagsterRunStatus.SUCCESS
OF_BACKFILL = {"dagster/backfill": "some"}
TOYS = "analytics_exports_tests.toy_definitions"
numbers = count()

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes end with their parent on Linux only")


def database(postgres: EmbeddedPostgres) -> str:
    name = f"run_workers_{next(numbers)}"
    postgres.create_database(name, template=TEMPLATE)
    return postgres.url_of(name)


@pytest.fixture(scope="module")
def workers(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    """Two workers that make three runs each; below a path that is too long for the address of a socket."""
    state = tmp_path_factory.mktemp("state") / ("deep" * 30)
    settings = {"run_workers": 2, "runs_per_worker": 3, "run_worker_bytes": 2**28}
    with run_workers(database(postgres), state, TOYS, settings=settings) as workers:
        yield workers


def test_runs_share_workers_and_a_worker_makes_only_so_many(workers: Workers) -> None:
    runs = [workers.launch("quick") for _ in range(8)]

    assert {workers.ended(run) for run in runs} == {SUCCESS}
    pids = [workers.worker(run) for run in runs]
    assert len(set(pids)) < len(runs)
    assert max(pids.count(pid) for pid in pids) <= 3


def test_only_the_owner_can_reach_the_workers(workers: Workers) -> None:
    path = socket_path(Path(os.environ["ANALYTICS_EXPORTS_STATE_DIR"]))

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("job", ["waiting", "querying"])
def test_a_cancelled_run_stops_and_its_worker_goes(workers: Workers, job: str) -> None:
    run = workers.launch(job)
    worker = workers.begun(run)

    assert workers.instance.run_launcher.terminate(run)
    assert workers.ended(run) is CANCELED
    until(lambda: gone(worker))


def test_a_run_that_does_not_listen_is_killed_and_counts_as_cancelled(workers: Workers) -> None:
    run = workers.launch("ignoring")
    worker = workers.begun(run)
    workers.instance.run_launcher.terminate(run)

    assert workers.ended(run) is CANCELED
    assert gone(worker)


def test_a_run_that_waits_for_a_worker_is_queued_and_can_be_cancelled(workers: Workers) -> None:
    busy = [workers.launch("waiting") for _ in range(2)]
    for run in busy:
        workers.begun(run)
    run = workers.launch("quick")
    assert workers.status(run) is DagsterRunStatus.QUEUED
    assert workers.instance.run_coordinator.cancel_run(run)

    assert workers.ended(run) is CANCELED
    for run in busy:
        workers.instance.run_launcher.terminate(run)
        assert workers.ended(run) is CANCELED


def test_runs_of_a_backfill_leave_one_worker_to_others(workers: Workers) -> None:
    backfill = [workers.launch("waiting", **OF_BACKFILL) for _ in range(2)]
    workers.begun(backfill[0])
    asked_for = workers.launch("quick")

    assert workers.ended(asked_for) is SUCCESS
    assert workers.status(backfill[1]) is DagsterRunStatus.QUEUED
    workers.instance.run_launcher.terminate(backfill[0])
    workers.begun(backfill[1])
    workers.instance.run_launcher.terminate(backfill[1])
    assert {workers.ended(run) for run in backfill} == {CANCELED}


def test_a_run_that_is_submitted_twice_is_made_once(workers: Workers) -> None:
    run_id = workers.launch("quick")
    assert workers.ended(run_id) is SUCCESS
    run = workers.instance.get_run_by_id(run_id)
    assert run is not None
    workers.instance.run_launcher.launch_run(LaunchRunContext(run, None))
    assert workers.ended(workers.launch("quick")) is SUCCESS

    assert sum("Started process" in message for message in workers.messages(run_id)) == 1
    assert workers.status(run_id) is SUCCESS


def test_a_run_that_was_queued_when_its_submitter_was_killed_is_made(
    workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = workers.create("quick")
    workers.instance.report_dagster_event(DagsterEvent.job_enqueue(run), run.run_id)
    resubmit_queued(workers.instance)
    assert workers.status(run.run_id) is DagsterRunStatus.QUEUED

    monkeypatch.setattr(coordinator, "RESUBMIT_AFTER", timedelta(0))
    resubmit_queued(workers.instance)
    assert workers.ended(run.run_id) is SUCCESS


def test_a_run_that_no_pool_takes_has_failed(workers: Workers, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launcher, "LAUNCH_SECONDS", 0)
    run = workers.create("quick")
    workers.stop(signal.SIGKILL)
    with pytest.raises(TimeoutError):
        workers.submit(run)
    workers.start()

    assert workers.status(run.run_id) is FAILURE


def test_a_run_that_nobody_has_is_cancelled_at_once(workers: Workers) -> None:
    run = workers.instance.create_run_for_job(workers._job("quick").get_definition())

    assert workers.instance.run_launcher.terminate(run.run_id)
    assert workers.status(run.run_id) is CANCELED
    assert not workers.instance.run_launcher.terminate(run.run_id)


@pytest.mark.parametrize(("job", "reason"), [("crashing", "was killed by SIGKILL"), ("failing", "ValueError")])
def test_a_run_that_crashes_or_fails_has_failed(workers: Workers, job: str, reason: str) -> None:
    run = workers.launch(job)

    assert workers.ended(run) is FAILURE
    assert any(reason in text for text in map(str, workers.instance.all_logs(run)))
    assert workers.ended(workers.launch("quick")) is SUCCESS


def test_health_is_what_the_pool_knows(workers: Workers) -> None:
    run_id = workers.launch("waiting")
    workers.begun(run_id)
    run = workers.instance.get_run_by_id(run_id)
    assert run is not None
    launcher = workers.instance.run_launcher

    assert launcher.check_run_worker_health(run).status is WorkerStatus.RUNNING
    launcher.terminate(run_id)
    workers.ended(run_id)
    until(lambda: launcher.check_run_worker_health(run).status is WorkerStatus.NOT_FOUND)


def test_a_worker_that_has_grown_is_replaced(workers: Workers) -> None:
    run = workers.launch("growing")
    assert workers.ended(run) is SUCCESS

    until(lambda: not psutil.pid_exists(workers.worker(run)))


def test_a_killed_fork_server_takes_its_workers_and_is_replaced(workers: Workers) -> None:
    run = workers.launch("waiting")
    worker = workers.begun(run)
    worker.parent().kill()

    assert workers.ended(run) is FAILURE
    assert gone(worker)
    assert workers.ended(workers.launch("quick")) is SUCCESS


def test_a_killed_pool_leaves_nothing_and_the_next_one_goes_on(workers: Workers) -> None:
    begun = [workers.launch("waiting") for _ in range(2)]
    waiting = workers.launch("quick")
    for run in begun:
        workers.begun(run)
    left = workers.processes()
    workers.stop(signal.SIGKILL)
    until(lambda: all(map(gone, left)))
    assert {workers.status(run) for run in begun} == {DagsterRunStatus.STARTED}
    workers.start()

    assert {workers.ended(run) for run in begun} == {FAILURE}
    assert workers.ended(waiting) is SUCCESS


def test_a_pool_that_is_stopped_declares_what_it_could_not_finish(workers: Workers) -> None:
    run = workers.launch("waiting")
    workers.begun(run)
    left = workers.processes()

    assert workers.stop() == 0
    assert workers.status(run) is FAILURE
    assert all(map(gone, left))


def test_changed_code_is_used_by_the_next_run_and_broken_code_is_not(
    postgres: EmbeddedPostgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "changing"
    package.mkdir()
    source = package / "__init__.py"
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    source.write_text(CHANGING.format(word="first"))
    with run_workers(database(postgres), tmp_path / "state", "changing", tmp_path, {"run_workers": 1}) as workers:
        problem = workers.instance.run_launcher.problem  # type: ignore[attr-defined]
        until(lambda: problem() is None)
        before = workers.launch("speaking")
        assert workers.ended(before) is SUCCESS
        source.write_text(CHANGING.format(word="the second"))
        after = workers.launch("speaking")
        assert workers.ended(after) is SUCCESS
        source.write_text("this is not Python")
        until(lambda: "cannot be imported" in str(problem()))
        still = workers.launch("speaking")
        assert workers.ended(still) is SUCCESS

        source.write_text(CHANGING.format(word="the second"))
        until(lambda: problem() is None)
        workers.stop(signal.SIGKILL)

        assert "not there" in problem()
        assert "first" in workers.messages(before)
        assert "the second" in workers.messages(after)
        assert "the second" in workers.messages(still)


CHANGING = """
from dagster import Definitions, OpExecutionContext, in_process_executor, job, op

@op
def speak(context: OpExecutionContext) -> None:
    context.log.info("{word}")

@job(executor_def=in_process_executor)
def speaking() -> None:
    speak()

defs = Definitions(jobs=[speaking])
"""
