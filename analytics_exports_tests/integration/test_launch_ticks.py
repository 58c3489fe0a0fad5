"""Ticks of the launch sensors on real tables: what is launched when, and that no attempt is launched twice."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import uuid4

from dagster import RepositoryDefinition
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from analytics_exports.domain.export import JobId, Launch
from analytics_exports.orchestration.build import build_definitions
from analytics_exports.orchestration.ticks import TickSequence
from analytics_exports_tests.deployment import Deployment
from analytics_exports_tests.waiting import LIMIT_SECONDS, until

SENSORS = 4


def code_server(wait_seconds: float = 0) -> RepositoryDefinition:
    """The launch sensors, as after a start of the code server."""
    return build_definitions(launch_sensors=SENSORS, launch_wait_seconds=wait_seconds).get_repository_def()


def tick(deployment: Deployment, number: int = 1) -> list[str]:
    """The run keys of the exports that one tick launches, alone or with others."""
    return evaluate(deployment, code_server(), number=number)[0]


def evaluate(
    deployment: Deployment, repository: RepositoryDefinition, cursor: str | None = None, number: int = 1
) -> tuple[list[str], str | None]:
    """The same, and the cursor that Dagster stores; ``cursor`` is what it has stored before."""
    runs, stored = deployment.tick(repository, number, cursor)
    keys: list[str] = []
    for run in runs:
        keys += [run.run_key] if run.run_key else run.run_config["ops"]["export_pending"]["config"]["run_keys"]
    return keys, stored


def test_a_tick_that_is_repeated_launches_nothing(deployment: Deployment) -> None:
    job_id = deployment.pending(deployment.user())

    assert tick(deployment) == [f"{job_id}:1"]
    assert tick(deployment) == []


def test_what_a_tick_took_whose_result_was_lost_is_launched_by_the_next(deployment: Deployment) -> None:
    job_ids = {deployment.pending(deployment.user()) for _ in range(2)}
    one = code_server()

    assert {Launch.of(key).job_id for key in evaluate(deployment, one)[0]} == job_ids
    again, cursor = evaluate(deployment, one)  # Dagster has stored no cursor

    assert set(again) == {f"{job_id}:2" for job_id in job_ids}
    assert evaluate(deployment, one, cursor) == ([], cursor)
    assert evaluate(deployment, one, cursor) == ([], cursor)


def test_a_tick_takes_nothing_when_the_next_has_begun(deployment: Deployment) -> None:
    """The daemon was killed and is back: of the two ticks that wait, one would tell its result to nobody."""
    one = code_server(wait_seconds=LIMIT_SECONDS)
    with ThreadPoolExecutor() as threads, deployment.sensor.pending_signal() as signal:
        left_alone = threads.submit(evaluate, deployment, one)
        until(lambda: signal.listeners() == 2)
        waiting = threads.submit(evaluate, deployment, one)
        assert left_alone.result(LIMIT_SECONDS) == ([], None)
        job_id = deployment.pending(deployment.user())

        assert waiting.result(LIMIT_SECONDS)[0] == [f"{job_id}:1"]


def test_a_tick_keeps_nothing_that_it_takes_while_the_next_begins() -> None:
    ticks = TickSequence()
    one, _ = ticks.begin(None)
    two, lost = ticks.begin(None)

    assert lost == ()
    assert not ticks.record(one, [Launch(JobId(uuid4()), 1)])
    assert ticks.record(two, [])
    assert ticks.begin(None)[1] == []


def test_what_a_tick_of_another_code_server_took_is_launched_again(deployment: Deployment) -> None:
    job_id = deployment.pending(deployment.user())
    tick(deployment)
    with deployment.engine.begin() as connection:  # its result never reached Dagster, and the hold is over
        connection.execute(text("UPDATE jobs SET launch_after = now()"))

    assert tick(deployment) == [f"{job_id}:2"]


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 60))
def test_sensors_that_look_at_the_same_moment_share_what_is_pending(deployment: Deployment, count: int) -> None:
    assert tick(deployment) == []
    user = deployment.user()
    pending = {deployment.pending(user) for _ in range(count)}
    together = Barrier(SENSORS)

    def look(number: int) -> list[str]:
        together.wait()
        return tick(deployment, number)

    with ThreadPoolExecutor(SENSORS) as threads:
        launched = [key for keys in threads.map(look, range(1, SENSORS + 1)) for key in keys]

    assert len(set(launched)) == len(launched)
    assert {Launch.of(key).job_id for key in launched} <= pending
    assert {Launch.of(key).number for key in launched} <= {1}
    while keys := tick(deployment):
        launched += keys
    assert {Launch.of(key).job_id for key in launched} == pending
    assert len(launched) == count
