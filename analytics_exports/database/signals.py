"""Waiting for what other processes announce, with PostgreSQL's LISTEN and NOTIFY.

Channels: ``exports_pending`` (there is something to launch), ``exports_changed`` (a status changed), both from the
trigger on ``jobs``.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import TypeVar

import psycopg
from psycopg import sql

from analytics_exports.database.engine import CONNECT_SECONDS, app_url
from analytics_exports.domain.errors import DatabaseUnavailable
from analytics_exports.reconnecting import persist

PENDING = "exports_pending"
CHANGED = "exports_changed"

SEATS = 0x5EED_E4B
"""First part of the advisory locks that are seats; any number that no other user of this database locks."""


T = TypeVar("T")


class PostgresSignal:
    """Implements ``ports.Signal`` and ``Announcements`` over one connection; not for use by two threads at once.

    A connection that is lost is replaced. What was announced meanwhile is not known, so it counts as an announcement.
    Methods raise DatabaseUnavailable when there is no new connection within ``retry_seconds``.
    """

    def __init__(self, connect: Callable[[], psycopg.Connection], name: str, retry_seconds: float) -> None:
        """Wait on connections that listen already, and are called ``name`` like all that listen to the same."""
        self._connect = connect
        self._name = name
        self._retry_seconds = retry_seconds
        self._seats = 0
        self._connection = persist(retry_seconds, connect)

    def close(self) -> None:
        """Listen no longer."""
        self._connection.close()

    def wait(self, seconds: float) -> bool:
        """Wait for an announcement; all that are there count as one."""
        try:
            heard = any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))
            if heard:
                deque(self._connection.notifies(timeout=0), maxlen=0)
        except psycopg.OperationalError:
            self._reconnect()
            return True
        return heard

    def heard(self, seconds: float) -> frozenset[str]:
        """The texts of announcements. Raises DatabaseUnavailable when the connection is lost: some may be missing."""
        try:
            return frozenset(notice.payload for notice in self._connection.notifies(timeout=seconds, stop_after=1))
        except psycopg.OperationalError:
            raise DatabaseUnavailable from None

    def listeners(self) -> int:
        """Count the connections of that name."""
        return self._ask(self._count)

    def sit(self, seats: int) -> bool:
        """Lock one of so many numbers as long as this listens.

        A new connection takes one again if it can; if another was quicker, there is one more for a while than there
        are seats.
        """
        self._seats = seats
        return self._ask(self._take_seat)

    def _count(self) -> int:
        statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
        found = self._connection.execute(statement, [self._name]).fetchone()
        return int(found[0]) if found else 0

    def _take_seat(self) -> bool:
        for seat in range(self._seats):
            taken = self._connection.execute("SELECT pg_try_advisory_lock(%s, %s)", [SEATS, seat]).fetchone()
            if taken and taken[0]:
                return True
        return False

    def _ask(self, question: Callable[[], T]) -> T:
        def ask() -> T:
            try:
                return question()
            except psycopg.OperationalError:
                self._connection.close()
                self._connection = self._connect()
                raise DatabaseUnavailable from None

        return persist(self._retry_seconds, ask)

    def _reconnect(self) -> None:
        self._connection.close()
        self._connection = persist(self._retry_seconds, self._connect)
        if self._seats:
            self._ask(self._take_seat)


@contextmanager
def listening(database_url: str, channel: str, retry_seconds: float = 0) -> Iterator[PostgresSignal]:
    """Listen from here on; look for what was announced before after entering.

    Args:
        retry_seconds: For how long a lost connection is replaced; 0 lets the caller know at once.
    """
    url = app_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    name = f"listens to {channel}"

    def connect() -> psycopg.Connection:
        with ExitStack() as unless_it_listens:
            try:
                connection = unless_it_listens.enter_context(
                    psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name=name)
                )
                connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
            except psycopg.OperationalError:
                raise DatabaseUnavailable from None
            unless_it_listens.pop_all()
        return connection

    signal = PostgresSignal(connect, name, retry_seconds)
    try:
        yield signal
    finally:
        signal.close()
