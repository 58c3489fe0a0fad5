"""The thread that wakes the requests that wait for an export."""

import asyncio
from collections.abc import Iterator
from uuid import uuid4

import pytest

from analytics_exports.api import notification_listener
from analytics_exports.api.notification_listener import NotificationListener
from analytics_exports.domain.export import JobId
from analytics_exports.services.change_hub import ChangeHub
from analytics_exports_tests.fakes.channel import FakeChannel
from analytics_exports_tests.waiting import LIMIT_SECONDS, until

SOON = 0.1


@pytest.fixture
def channel() -> FakeChannel:
    return FakeChannel()


@pytest.fixture
def hub(channel: FakeChannel, monkeypatch: pytest.MonkeyPatch) -> Iterator[ChangeHub]:
    """A hub with a thread that listens."""
    monkeypatch.setattr(notification_listener, "RECONNECT_SECONDS", 0.01)
    hub = ChangeHub()
    thread = NotificationListener(hub, channel.listening)
    thread.start()
    until(lambda: channel.open)
    yield hub
    thread.stop()
    thread.join()


def test_who_waits_for_an_export_is_woken_by_its_change_alone(channel: FakeChannel, hub: ChangeHub) -> None:
    async def scenario() -> tuple[bool, bool]:
        job_id = JobId(uuid4())
        with hub.subscribe(job_id) as subscription:
            await subscription.wait(SOON)  # everybody is woken when the thread begins to listen
            channel.notify(str(uuid4()))
            of_another = await subscription.wait(SOON)
            channel.notify(str(job_id))
            return of_another, await subscription.wait(LIMIT_SECONDS)

    assert asyncio.run(scenario()) == (False, True)


def test_everybody_is_woken_when_a_lost_connection_is_back(channel: FakeChannel, hub: ChangeHub) -> None:
    async def scenario() -> bool:
        with hub.subscribe(JobId(uuid4())) as subscription:
            await subscription.wait(SOON)
            channel.lose()
            until(lambda: not channel.open)
            channel.away = False
            return await subscription.wait(LIMIT_SECONDS)

    assert asyncio.run(scenario())
