"""Waiting for what other processes announce, with PostgreSQL's LISTEN and NOTIFY.

Channels: ``exports_pending`` (there is something to launch), ``exports_changed`` (a status changed), both from the
trigger on ``jobs``.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from psycopg import sql

from analytics_exports.database.engine import CONNECT_SECONDS, app_url
from analytics_exports.domain.errors import DatabaseUnavailable

PENDING = "exports_pending"
CHANGED = "exports_changed"


class PostgresSignal:
    """Implements ``ports.Signal`` over one connection; not for use by two threads at once."""

    def __init__(self, connection: psycopg.Connection) -> None:
        """Wait on a connection that listens already."""
        self._connection = connection

    def wait(self, seconds: float) -> bool:
        """Wait for an announcement. Raises DatabaseUnavailable when the connection is lost."""
        try:
            return any(True for _ in self._connection.notifies(timeout=seconds, stop_after=1))
        except psycopg.OperationalError:
            raise DatabaseUnavailable from None


@contextmanager
def listening(database_url: str, channel: str) -> Iterator[PostgresSignal]:
    """Listen from here on; look for what was announced before after entering."""
    url = app_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    try:
        connection = psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_SECONDS)
    except psycopg.OperationalError:
        raise DatabaseUnavailable from None
    with connection:
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        yield PostgresSignal(connection)
