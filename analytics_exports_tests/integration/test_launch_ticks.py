"""Ticks of the launch sensors on real tables: what is launched when, and that no attempt is launched twice."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from dagster import SensorResult, SkipReason, build_sensor_context
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from analytics_exports.domain.export import Launch
from analytics_exports.orchestration.build import build_definitions
from analytics_exports_tests.integration import test_drain as drains

world = drains.world  # the fixture
SENSORS = 4


def tick(world: drains.World, number: int = 1) -> list[str]:
    """The run keys of the exports that one tick launches, alone or with others."""
    repository = build_definitions(launch_sensors=SENSORS, launch_wait_seconds=0).get_repository_def()
    sensor = repository.get_sensor_def(f"launch_exports_{number}")
    result = sensor(build_sensor_context(instance=world.instance))
    if isinstance(result, SkipReason):
        return []
    assert isinstance(result, SensorResult)
    keys: list[str] = []
    for request in result.run_requests or []:
        keys += [request.run_key] if request.run_key else request.run_config["ops"]["drain"]["config"]["launches"]
    return keys


def test_a_tick_that_is_repeated_launches_nothing(world: drains.World) -> None:
    job_id = world.pending(world.user())

    assert tick(world) == [f"{job_id}:1"]
    assert tick(world) == []


def test_what_a_lost_tick_had_taken_is_launched_as_a_new_attempt(world: drains.World) -> None:
    job_id = world.pending(world.user())
    tick(world)
    with world.app.engine.begin() as connection:  # its result never reached Dagster, and the hold is over
        connection.execute(text("UPDATE jobs SET launch_after = now()"))

    assert tick(world) == [f"{job_id}:2"]


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 60))
def test_sensors_that_look_at_the_same_moment_share_what_is_pending(world: drains.World, count: int) -> None:
    assert tick(world) == []
    user = world.user()
    pending = {world.pending(user) for _ in range(count)}
    together = Barrier(SENSORS)

    def look(number: int) -> list[str]:
        together.wait()
        return tick(world, number)

    with ThreadPoolExecutor(SENSORS) as threads:
        launched = [key for keys in threads.map(look, range(1, SENSORS + 1)) for key in keys]

    assert len(set(launched)) == len(launched)
    assert {Launch.of(key).job_id for key in launched} <= pending
    assert {Launch.of(key).attempt for key in launched} <= {1}
    while keys := tick(world):
        launched += keys
    assert {Launch.of(key).job_id for key in launched} == pending
    assert len(launched) == count
