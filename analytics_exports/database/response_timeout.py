"""Connections that give up on a server that does not respond.

A server that is down refuses connections, and connecting has a timeout. But a server that is frozen, or behind a
network that drops packets, leaves open connections waiting for ever: PostgreSQL's own timeouts do not run, and TCP sees
nothing wrong. So each wait for a response has a limit here. A connection that reached it is closed, and for a moment no
new one is tried, so that requests do not pile up behind one another.
"""

import select
import time
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg.abc import RV, PQGen
from sqlalchemy import Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError

CONNECT_SECONDS = 2
"""The shortest connect timeout that libpq supports."""

PAUSE_SECONDS = 1.0
"""How long no connection is tried to a server that did not respond, in seconds."""

POLL_SECONDS = 0.1


class TimeoutConnection(psycopg.Connection[Any]):
    """A connection whose waits end after ``response_timeout`` seconds."""

    response_timeout: float
    on_timeout: Callable[[], None]

    def wait(self, gen: PQGen[RV], interval: float = POLL_SECONDS, timeout: float | None = None) -> RV:
        """Wait for a response. Raises OperationalError, and closes the connection, when none arrives in time."""
        response_timeout = self.response_timeout if timeout is None else min(timeout, self.response_timeout)
        deadline = time.monotonic() + response_timeout
        try:
            return super().wait(gen, interval, response_timeout)
        except psycopg.OperationalError:
            if time.monotonic() >= deadline:
                self.pgconn.finish()
                self.on_timeout()
            raise


class ResponseTimeout:
    """Makes the connections of one pool, and remembers for a moment that the server did not respond."""

    def __init__(self, seconds: float) -> None:
        """Wait at most ``seconds`` for a response."""
        self._quiet_until = 0.0
        self._connection = type(
            "Connection", (TimeoutConnection,), {"response_timeout": seconds, "on_timeout": self._pause}
        )

    def attach(self, engine: Engine) -> None:
        """Apply the timeout to all connections of ``engine``, and verify them before use without a round trip."""
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "checkout", _refuse_closed)

    def _connect(self, _dialect: object, _record: object, arguments: Any, options: Any) -> psycopg.Connection[Any]:  # noqa: ANN401 - as the driver takes them
        if time.monotonic() < self._quiet_until:
            raise psycopg.OperationalError("The server did not answer a moment ago.")
        connection_class: type[TimeoutConnection] = self._connection
        try:
            return connection_class.connect(*arguments, **{**options, "connect_timeout": CONNECT_SECONDS})
        except psycopg.OperationalError:
            self._pause()
            raise

    def _pause(self) -> None:
        self._quiet_until = time.monotonic() + PAUSE_SECONDS


def _refuse_closed(connection: DBAPIConnection, _record: object, _proxy: object) -> None:
    """Refuse a connection with unread input: the server has closed it. The pool then makes a new one."""
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    if poll.poll(0):
        raise DisconnectionError
