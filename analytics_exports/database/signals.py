"""Waiting for what other processes announce, with PostgreSQL's LISTEN and NOTIFY.

Channels: ``exports_pending`` (there is something to launch), ``exports_changed`` (a status changed), both from the
trigger on ``jobs``.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from analytics_exports.database.engine import CONNECT_SECONDS, app_url
from analytics_exports.domain.errors import DatabaseUnavailable

PENDING = "exports_pending"
CHANGED = "exports_changed"

SEATS = 0x5EED_E4B
"""First part of the advisory locks that are seats; any number that no other user of this database locks."""


class PostgresSignal:
    """Implements ``ports.Signal`` and ``Announcements`` over one connection; not for use by two threads at once."""

    def __init__(self, connection: psycopg.Connection, name: str) -> None:
        """Wait on a connection that listens already, and is called ``name`` like all that listen to the same."""
        self._connection = connection
        self._name = name

    def wait(self, seconds: float) -> bool:
        """Wait for an announcement; all that are there count as one. Raises DatabaseUnavailable when it is lost."""
        try:
            heard = any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))
            if heard:
                deque(self._connection.notifies(timeout=0), maxlen=0)
        except psycopg.OperationalError:
            raise DatabaseUnavailable from None
        return heard

    def heard(self, seconds: float) -> frozenset[str]:
        """The texts of announcements. Raises DatabaseUnavailable when the connection is lost."""
        try:
            return frozenset(notice.payload for notice in self._connection.notifies(timeout=seconds, stop_after=1))
        except psycopg.OperationalError:
            raise DatabaseUnavailable from None

    def listeners(self) -> int:
        """Count the connections of that name. Raises DatabaseUnavailable when the connection is lost."""
        statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
        try:
            found = self._connection.execute(statement, [self._name]).fetchone()
        except psycopg.OperationalError:
            raise DatabaseUnavailable from None
        return int(found[0]) if found else 0

    def sit(self, seats: int) -> bool:
        """Lock one of so many numbers until the connection ends. Raises DatabaseUnavailable when it is lost."""
        try:
            for seat in range(seats):
                taken = self._connection.execute("SELECT pg_try_advisory_lock(%s, %s)", [SEATS, seat]).fetchone()
                if taken and taken[0]:
                    return True
        except psycopg.OperationalError:
            raise DatabaseUnavailable from None
        return False


@contextmanager
def listening(database_url: str, channel: str) -> Iterator[PostgresSignal]:
    """Listen from here on; look for what was announced before after entering."""
    url = app_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    name = f"listens to {channel}"
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS, application_name=name)
    except psycopg.OperationalError:
        raise DatabaseUnavailable from None
    with connection:
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        yield PostgresSignal(connection, name)
