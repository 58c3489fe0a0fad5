"""Connections that give up on a server that does not answer.

A server that is down refuses, and a new connection has a time limit. But a server that is frozen, or behind a network
that swallows packets, leaves whoever waits on an open connection waiting for good: no timeout of PostgreSQL's own runs,
and TCP sees nothing wrong. So each wait for an answer has an end here. A connection that reached it is closed, and for
a moment nobody waits for that server again, so that requests do not pile up behind one another.
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
"""The shortest that libpq knows."""

QUIET_SECONDS = 1.0
"""How long a server that did not answer is left alone."""

WATCH_SECONDS = 0.1


class PatientConnection(psycopg.Connection[Any]):
    """A connection whose waits end after ``patience`` seconds."""

    patience: float
    given_up: Callable[[], None]

    def wait(self, gen: PQGen[RV], interval: float = WATCH_SECONDS, timeout: float | None = None) -> RV:
        """Wait for an answer. Raises OperationalError, and closes the connection, when none comes in time."""
        patience = self.patience if timeout is None else min(timeout, self.patience)
        deadline = time.monotonic() + patience
        try:
            return super().wait(gen, interval, patience)
        except psycopg.OperationalError:
            if time.monotonic() >= deadline:
                self.pgconn.finish()
                self.given_up()
            raise


class Patience:
    """Makes the connections of one pool, and remembers for a moment that the server did not answer."""

    def __init__(self, seconds: float) -> None:
        """Wait at most ``seconds`` for an answer."""
        self._quiet_until = 0.0
        self._connection = type("Connection", (PatientConnection,), {"patience": seconds, "given_up": self._give_up})

    def govern(self, engine: Engine) -> None:
        """Let all connections of ``engine`` be patient ones, checked before use without asking the server."""
        event.listen(engine, "do_connect", self._connect)
        event.listen(engine, "checkout", _refuse_closed)

    def _connect(self, _dialect: object, _record: object, arguments: Any, options: Any) -> psycopg.Connection[Any]:  # noqa: ANN401 - as the driver takes them
        if time.monotonic() < self._quiet_until:
            raise psycopg.OperationalError("The server did not answer a moment ago.")
        connection_class: type[PatientConnection] = self._connection
        try:
            return connection_class.connect(*arguments, **{**options, "connect_timeout": CONNECT_SECONDS})
        except psycopg.OperationalError:
            self._give_up()
            raise

    def _give_up(self) -> None:
        self._quiet_until = time.monotonic() + QUIET_SECONDS


def _refuse_closed(connection: DBAPIConnection, _record: object, _proxy: object) -> None:
    """A connection on which the server spoke unasked was closed by it; the pool then makes a new one."""
    poll = select.poll()
    poll.register(connection.pgconn.socket, select.POLLIN)
    if poll.poll(0):
        raise DisconnectionError
