"""What every Signal and Notifications must do: run on PostgreSQL and on the ones in memory."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import pytest
from sqlalchemy import text

from analytics_exports.database.engine import make_engine
from analytics_exports.database.notifications import listening
from analytics_exports.ports import Notifications, Signal
from analytics_exports_tests.fakes.channel import FakeChannel
from analytics_exports_tests.waiting import LIMIT_SECONDS, until

CHANNEL = "a_channel"
SOON = 0.05


class Listener(Signal, Notifications, Protocol):
    """Both ports; the adapters have both."""


@dataclass
class Channel:
    """A channel, and how to listen and to notify."""

    listen: Callable[[], AbstractContextManager[Listener]]
    notify: Callable[[str], None]


@pytest.fixture(params=["postgresql", "memory"])
def channel(request: pytest.FixtureRequest) -> Iterator[Channel]:
    if request.param == "memory":
        fake = FakeChannel()
        yield Channel(fake.listening, fake.notify)
        return
    url = request.getfixturevalue("database_url")
    engine = make_engine(url)

    def notify(payload: str) -> None:
        with engine.begin() as connection:
            connection.execute(text("SELECT pg_notify(:channel, :payload)"), {"channel": CHANNEL, "payload": payload})

    yield Channel(partial(listening, url, CHANNEL), notify)
    engine.dispose()


def test_without_a_notification_a_wait_ends(channel: Channel) -> None:
    with channel.listen() as listener:
        assert not listener.wait(SOON)
        assert listener.receive(SOON) == frozenset()


def test_a_wait_ends_with_a_notification(channel: Channel) -> None:
    with channel.listen() as listener:
        notifier = threading.Timer(SOON, channel.notify, ("",))
        notifier.start()

        assert listener.wait(LIMIT_SECONDS)
        notifier.join()


def test_what_is_notified_before_a_wait_is_kept_and_ends_no_wait_twice(channel: Channel) -> None:
    with channel.listen() as listener:
        for _ in range(3):
            channel.notify("")

        assert listener.wait(LIMIT_SECONDS)
        ended = 1
        while listener.wait(SOON):  # they may arrive together or one by one
            ended += 1
        assert ended <= 3


def test_what_is_notified_before_anybody_listens_is_lost(channel: Channel) -> None:
    channel.notify("early")
    with channel.listen() as listener:
        assert listener.receive(SOON) == frozenset()


def test_everybody_who_listens_gets_every_text(channel: Channel) -> None:
    with channel.listen() as one, channel.listen() as other:
        sent = {"first", "second"}
        for payload in sent:
            channel.notify(payload)
        for listener in (one, other):
            received: set[str] = set()
            while received != sent:
                found = listener.receive(LIMIT_SECONDS)
                assert found
                received.update(found)


def test_those_who_listen_are_counted(channel: Channel) -> None:
    with channel.listen() as one:
        assert one.listeners() == 1
        with channel.listen():
            until(lambda: one.listeners() == 2)
        until(lambda: one.listeners() == 1)


def test_slots_are_taken_until_their_holders_stop_listening(channel: Channel) -> None:
    with channel.listen() as waiting:
        with channel.listen() as holder:
            assert holder.acquire_slot(1)
            assert not waiting.acquire_slot(1)
        until(lambda: waiting.acquire_slot(1))
        with channel.listen() as second, channel.listen() as third:
            assert second.acquire_slot(2)
            assert not third.acquire_slot(2)
