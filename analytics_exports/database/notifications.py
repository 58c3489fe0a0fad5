"""Waiting for notifications of other processes, with PostgreSQL's LISTEN and NOTIFY.

Channels: ``exports_pending`` (an export is pending) and ``exports_changed`` (a status changed), both notified by the
trigger on ``jobs``.

A connection that only listens can be dead without anybody noticing: the server disappeared, or a network device dropped
the connection. So each also listens to a channel of its own, and after a silence notifies itself there: when that does
not arrive, the notifications of others would not arrive either.
"""

import math
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TypeVar
from uuid import uuid4

import psycopg
from psycopg import Notify, sql
from psycopg.abc import RV, PQGen

from analytics_exports.database.engine import CONNECT_SECONDS, app_url
from analytics_exports.database.response_timeout import TimeoutConnection
from analytics_exports.domain.errors import DatabaseUnavailable
from analytics_exports.reconnecting import retry_while_away

PENDING = "exports_pending"
CHANGED = "exports_changed"

SLOT_LOCKS = 0x5EED_E4B
"""First key of the advisory locks that represent slots: any number unused in this database."""

SILENT_SECONDS, PROBE_SECONDS = 5.0, 5.0
"""Silence after which a connection is probed, and how long the probe may take, in seconds."""

T = TypeVar("T")


class ListeningConnection(TimeoutConnection):
    """A connection on which statements have a response timeout, while waits for notifications have none."""

    response_timeout = math.inf

    def on_timeout(self) -> None:
        """Do nothing: the listener itself makes another connection."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait for a response, or, with a ``timeout``, for notifications.

        Raises:
            OperationalError: there was no response; the connection is closed.
        """
        if timeout is None:
            return super().wait(gen, interval, PROBE_SECONDS)
        if threading.current_thread() is not threading.main_thread():  # which wakes up to handle signals
            interval = max(timeout, interval)
        return psycopg.Connection.wait(self, gen, interval, timeout)


class PostgresListener:
    """Implements ``ports.Signal`` and ``ports.Notifications`` over one connection. Not thread-safe.

    A lost connection is replaced. Notifications may have been missed meanwhile, so this counts as one. Methods raise
    DatabaseUnavailable when there is no new connection within ``retry_seconds``.
    """

    def __init__(self, connect: Callable[[str], ListeningConnection], name: str, retry_seconds: float) -> None:
        """Listen on connections that ``connect`` makes, all with the application name ``name``.

        Args:
            connect: Makes a connection that also listens to the channel it is called with.
        """
        self._connect_to = connect
        self._name = name
        self._retry_seconds = retry_seconds
        self._slot_limit = 0
        self._own_channel = f"heartbeat_{uuid4().hex}"
        self._undelivered: list[Notify] = []
        self._last_received = 0.0
        self._connection = retry_while_away(retry_seconds, self._connect)

    def close(self) -> None:
        """Stop listening."""
        self._connection.close()

    def wait(self, seconds: float) -> bool:
        """Wait for a notification; several that have arrived count as one."""
        try:
            notified = bool(self._listen(seconds))
            if notified:
                self._listen(0)
        except psycopg.OperationalError:
            self._reconnect()
            return True
        return notified

    def receive(self, seconds: float) -> frozenset[str]:
        """The texts of notifications.

        Raises:
            DatabaseUnavailable: the connection is lost, so notifications may be missing.
        """
        try:
            return frozenset(notice.payload for notice in self._listen(seconds))
        except psycopg.OperationalError:
            raise DatabaseUnavailable from None

    def listeners(self) -> int:
        """The number of connections with the same application name."""
        return self._query(self._count)

    def acquire_slot(self, limit: int) -> bool:
        """Take one of ``limit`` advisory locks for as long as this listens.

        A new connection takes one again if it can; if another was quicker, one more than ``limit`` is in use for a
        while.
        """
        self._slot_limit = limit
        return self._query(self._acquire_slot)

    def _listen(self, seconds: float) -> Sequence[Notify]:
        """Notifications, as soon as there are some. Raises OperationalError when the connection is found to be dead."""
        deadline = time.monotonic() + seconds
        while True:
            left = max(deadline - time.monotonic(), 0)
            if found := self._received(min(left, SILENT_SECONDS)):
                return found
            if time.monotonic() - self._last_received >= SILENT_SECONDS:
                self._probe()
            if time.monotonic() >= deadline and not self._undelivered:
                return []

    def _received(self, seconds: float) -> list[Notify]:
        """Notifications of others, undelivered ones first. Those of the probe are left out."""
        notices = list(self._connection.notifies(timeout=0 if self._undelivered else seconds, stop_after=1))
        if notices:
            self._last_received = time.monotonic()
        others = [*self._undelivered, *(notice for notice in notices if notice.channel != self._own_channel)]
        self._undelivered = []
        return others

    def _probe(self) -> None:
        """Notify itself. Raises OperationalError when the notification does not arrive."""
        tried_at = time.monotonic()
        self._connection.execute(sql.SQL("NOTIFY {}").format(sql.Identifier(self._own_channel)))
        while self._last_received < tried_at:
            if time.monotonic() > tried_at + PROBE_SECONDS:
                raise psycopg.OperationalError("The notification of the probe did not arrive.")
            self._undelivered = self._received(PROBE_SECONDS)

    def _connect(self) -> ListeningConnection:
        connection = self._connect_to(self._own_channel)
        self._last_received = time.monotonic()
        return connection

    def _count(self) -> int:
        statement = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s"
        found = self._connection.execute(statement, [self._name]).fetchone()
        return int(found[0]) if found else 0

    def _acquire_slot(self) -> bool:
        for number in range(self._slot_limit):
            taken = self._connection.execute("SELECT pg_try_advisory_lock(%s, %s)", [SLOT_LOCKS, number]).fetchone()
            if taken and taken[0]:
                return True
        return False

    def _query(self, question: Callable[[], T]) -> T:
        def ask() -> T:
            try:
                return question()
            except psycopg.OperationalError:
                self._connection.close()
                self._connection = self._connect()
                raise DatabaseUnavailable from None

        return retry_while_away(self._retry_seconds, ask)

    def _reconnect(self) -> None:
        self._connection.close()
        self._connection = retry_while_away(self._retry_seconds, self._connect)
        if self._slot_limit:
            self._query(self._acquire_slot)


@contextmanager
def listening(database_url: str, channel: str, retry_seconds: float = 0) -> Iterator[PostgresListener]:
    """Listen from here on; check the current state after entering.

    Args:
        retry_seconds: How long a lost connection is retried; with 0 the error is raised at once.
    """
    url = app_url(database_url).set(drivername="postgresql").render_as_string(hide_password=False)
    name = f"listens to {channel}"

    def connect(own_channel: str) -> ListeningConnection:
        with ExitStack() as unless_it_listens:
            try:
                connection = unless_it_listens.enter_context(
                    ListeningConnection.connect(
                        url,
                        autocommit=True,
                        connect_timeout=CONNECT_SECONDS,
                        application_name=name,
                        keepalives_idle=5,  # so that TCP detects that the other machine is gone
                        keepalives_interval=3,
                        keepalives_count=2,
                    )
                )
                for one in (channel, own_channel):
                    connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(one)))
            except psycopg.OperationalError:
                raise DatabaseUnavailable from None
            unless_it_listens.pop_all()
        return connection

    signal = PostgresListener(connect, name, retry_seconds)
    try:
        yield signal
    finally:
        signal.close()
