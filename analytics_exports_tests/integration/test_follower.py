"""The read-back of an API process on Dagster's real event log: by announcement, and after a time without it."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text

from analytics_exports.api import follower
from analytics_exports.api.follower import Follower
from analytics_exports.domain.export import JobId, Status
from analytics_exports.services.readback import CURSOR
from analytics_exports_tests.integration import test_drain as drains
from analytics_exports_tests.waiting import until

world = drains.world  # the fixture
NEVER = 3600.0
LISTENING = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'listens to exports_decided'"


@pytest.fixture
def follow(world: drains.World, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Follower]]:
    """Starts a follower that does not look by itself while a test lasts, and waits until it listens."""
    monkeypatch.setattr(follower, "LOOK_SECONDS", NEVER)
    started: list[Follower] = []

    def start() -> Follower:
        started.append(Follower(world.app))
        started[-1].start()
        until(lambda: scalar(world, LISTENING))
        return started[-1]

    yield start
    for each in started:
        each._stop.set()
        with world.app.engine.begin() as connection:
            connection.execute(text("NOTIFY exports_decided"))
        each._thread.join()  # until its connections are given back


def scalar(world: drains.World, statement: str) -> int:
    with world.app.engine.connect() as connection:
        return int(connection.execute(text(statement)).scalar_one())


def completed(world: drains.World, *job_ids: JobId) -> bool:
    return {world.job(job_id).status for job_id in job_ids} == {Status.COMPLETED}


def test_an_export_is_completed_when_its_event_is_announced(
    world: drains.World, follow: Callable[[], Follower]
) -> None:
    follow()
    job_id = world.pending(world.user())
    world.drain()

    until(lambda: completed(world, job_id))


def test_what_happened_while_nobody_followed_is_taken_in_from_the_stored_position(
    world: drains.World, follow: Callable[[], Follower]
) -> None:
    user = world.user()
    before = world.pending(user)
    world.drain()
    world.app.readback.follow()
    position = world.app.jobs.cursor(CURSOR)
    assert completed(world, before)
    missed = [world.pending(user) for _ in range(3)]
    world.drain()
    assert not completed(world, *missed)
    follow()

    until(lambda: completed(world, *missed))
    until(lambda: world.app.jobs.cursor(CURSOR) > position > 0)  # it is stored after what it covers
