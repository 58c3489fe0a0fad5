"""Waiting for what other processes announce, with PostgreSQL's LISTEN and NOTIFY.

Channels: ``exports_pending`` (there is something to launch), ``exports_changed`` (a status changed), both from the
trigger on ``jobs``.

A connection that only waits can be dead without anybody noticing: the server is gone without a word, or something
between has forgotten the connection. So each listens to a channel of its own as well, and when it has heard nothing for
a while announces something there: what does not come back shows that others' announcements would not come either.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TypeVar
from uuid import uuid4

import psycopg
from psycopg import Notify, sql
from psycopg.abc import RV, PQGen

from analytics_exports.database.engine import CONNECT_SECONDS, app_url
from analytics_exports.database.patience import PatientConnection
from analytics_exports.domain.errors import DatabaseUnavailable
from analytics_exports.reconnecting import persist

PENDING = "exports_pending"
CHANGED = "exports_changed"

SEATS = 0x5EED_E4B
"""First part of the advisory locks that are seats; any number that no other user of this database locks."""

SILENT_SECONDS, ANSWER_SECONDS = 5.0, 5.0
"""After how long a silence a connection is tried, and how long what is announced then may take to come back."""

T = TypeVar("T")


class ListeningConnection(PatientConnection):
    """A connection on which answers to statements come in time, while announcements may take as long as they want."""

    patience = math.inf

    def given_up(self) -> None:
        """Nobody else has to know: whoever listens makes another connection."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        """Wait for an answer, or for announcements if there is a ``timeout``.

        Raises:
            OperationalError: there was no answer; the connection is closed.
        """
        if timeout is None:
            return super().wait(gen, interval, ANSWER_SECONDS)
        return psycopg.Connection.wait(self, gen, interval, timeout)


class PostgresSignal:
    """Implements ``ports.Signal`` and ``Announcements`` over one connection; not for use by two threads at once.

    A connection that is lost is replaced. What was announced meanwhile is not known, so it counts as an announcement.
    Methods raise DatabaseUnavailable when there is no new connection within ``retry_seconds``.
    """

    def __init__(self, connect: Callable[[str], ListeningConnection], name: str, retry_seconds: float) -> None:
        """Wait on connections that listen already, and are called ``name`` like all that listen to the same.

        Args:
            connect: Makes one; it is to listen to the channel that this is called with, too.
        """
        self._connect_to = connect
        self._name = name
        self._retry_seconds = retry_seconds
        self._seats = 0
        self._own_channel = f"heartbeat_{uuid4().hex}"
        self._kept: list[Notify] = []
        self._heard_at = 0.0
        self._connection = persist(retry_seconds, self._connect)

    def close(self) -> None:
        """Listen no longer."""
        self._connection.close()

    def wait(self, seconds: float) -> bool:
        """Wait for an announcement; all that are there count as one."""
        try:
            heard = bool(self._listen(seconds))
            if heard:
                self._listen(0)
        except psycopg.OperationalError:
            self._reconnect()
            return True
        return heard

    def heard(self, seconds: float) -> frozenset[str]:
        """The texts of announcements. Raises DatabaseUnavailable when the connection is lost: some may be missing."""
        try:
            return frozenset(notice.payload for notice in self._listen(seconds))
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

    def _listen(self, seconds: float) -> Sequence[Notify]:
        """Announcements, as soon as there are some. Raises OperationalError when the connection is found to be dead."""
        deadline = time.monotonic() + seconds
        while True:
            left = max(deadline - time.monotonic(), 0)
            if found := self._received(min(left, SILENT_SECONDS)):
                return found
            if time.monotonic() - self._heard_at >= SILENT_SECONDS:
                self._try_out()
            if time.monotonic() >= deadline and not self._kept:
                return []

    def _received(self, seconds: float) -> list[Notify]:
        """What others have announced, those kept first; what this one announced to itself only shows that it hears."""
        notices = list(self._connection.notifies(timeout=0 if self._kept else seconds, stop_after=1))
        if notices:
            self._heard_at = time.monotonic()
        others = [*self._kept, *(notice for notice in notices if notice.channel != self._own_channel)]
        self._kept = []
        return others

    def _try_out(self) -> None:
        """Announce something to itself. Raises OperationalError when it does not come back."""
        tried_at = time.monotonic()
        self._connection.execute(sql.SQL("NOTIFY {}").format(sql.Identifier(self._own_channel)))
        while self._heard_at < tried_at:
            if time.monotonic() > tried_at + ANSWER_SECONDS:
                raise psycopg.OperationalError("What was announced did not come back.")
            self._kept = self._received(ANSWER_SECONDS)

    def _connect(self) -> ListeningConnection:
        connection = self._connect_to(self._own_channel)
        self._heard_at = time.monotonic()
        return connection

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

    def connect(own_channel: str) -> ListeningConnection:
        with ExitStack() as unless_it_listens:
            try:
                connection = unless_it_listens.enter_context(
                    ListeningConnection.connect(
                        url,
                        autocommit=True,
                        connect_timeout=CONNECT_SECONDS,
                        application_name=name,
                        keepalives_idle=5,  # TCP finds out that the other machine is gone, if nobody answers for it
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

    signal = PostgresSignal(connect, name, retry_seconds)
    try:
        yield signal
    finally:
        signal.close()
