"""Dagster's storage in PostgreSQL, on a pool of connections: named in ``dagster.yaml`` in place of the stock class.

The stock storages open a connection for each statement, which costs far more than the statement. Here the three of them
share one small pool in each process, and go on after a restart of PostgreSQL: a method that lost its connection is
repeated on a new one, and one that must take effect once is one transaction, of which the repetition finds out whether
it was committed. The event log keeps a promise besides, to whoever follows it: events that decide about exports become
visible in the order of their ids, and each of them is announced.

Every Dagster process imports this module: what it imports in turn is loaded by all of them.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any, Self, TypeVar

from dagster import DagsterEventType, DagsterRun, EventLogEntry
from dagster._core.events import DagsterEvent
from dagster._core.scheduler.instigation import InstigatorTick, TickData
from dagster._core.storage.event_log import EventLogStorage, SqlEventLogStorageTable
from dagster._core.storage.runs import RunStorage
from dagster._core.storage.schedules import ScheduleStorage
from dagster._core.storage.schedules.schema import JobTickTable
from dagster._serdes import serialize_value
from dagster_postgres import (
    DagsterPostgresStorage,
    PostgresEventLogStorage,
    PostgresRunStorage,
    PostgresScheduleStorage,
)
from dagster_postgres.utils import (
    DagsterPostgresException,
    create_pg_engine,
    get_token_provider_from_config,
    pg_url_from_config,
)
from sqlalchemy import Connection, Engine, and_, event, literal, select, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from analytics_exports.gateway import DECIDED
from analytics_exports.reconnecting import connection_lost, persist, reconnecting
from analytics_exports.settings import Settings

CONNECTIONS, TRANSACTIONS, MORE_CONNECTIONS = 2, 1, 20
"""Connections that a process keeps for single statements and for transactions; how many more of each it may open."""

TRUSTED_SECONDS = 1.0
"""A connection that was used so lately is used again without asking whether it still works: the method is repeated if
it does not."""

DECISIVE = frozenset(
    {DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.RUN_FAILURE, DagsterEventType.RUN_CANCELED}
)
"""Events that complete an export or end it."""

TURN = 0x5EED_E4B1
"""The advisory lock of whoever writes a decisive event: any number that no other user of this database locks."""

TURN_SECONDS = 5

SETTING_UP = TURN + 1
"""The advisory lock of whoever sees to it that Dagster's tables are there."""

T = TypeVar("T")


class PooledPostgresStorage(DagsterPostgresStorage):
    """Takes the configuration of Dagster's own ``postgres`` storage."""

    def __init__(self, postgres_url: str, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as Dagster's class
        """Set up as Dagster does, then put storages of our own, on one pool, in the place of the three."""
        retry_seconds = Settings().lease_seconds
        token_provider = options.get("token_provider")

        def set_up() -> None:
            try:
                with _alone(postgres_url, token_provider):
                    super(PooledPostgresStorage, self).__init__(postgres_url, *arguments, **options)
            except DagsterPostgresException as error:  # which says how often, but not what failed
                raise (error.__cause__ or error) from None

        persist(retry_seconds, set_up)
        statements = _pooled(postgres_url, token_provider, pool_size=CONNECTIONS, isolation_level="AUTOCOMMIT")
        transactions = _pooled(postgres_url, token_provider, pool_size=TRANSACTIONS)
        self._run_storage = PooledRunStorage(postgres_url, should_autocreate_tables=False)
        self._event_log_storage = OrderedEventLog(postgres_url, should_autocreate_tables=False)
        self._schedule_storage = PooledScheduleStorage(postgres_url, should_autocreate_tables=False)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage.use(statements, transactions, retry_seconds)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Self:  # noqa: ANN401 - Dagster's signature
        """Make the storage that ``dagster.yaml`` describes."""
        return cls(
            inst_data=inst_data,
            postgres_url=pg_url_from_config(config_value),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
            token_provider=get_token_provider_from_config(config_value),
        )


class Pooled:
    """A storage on a pool of connections that it shares with others.

    Attributes:
        retry_seconds: For how long a method is repeated while PostgreSQL is away: until the lease of an export ends.
    """

    retry_seconds: float
    _engine: Engine

    def use(self, statements: Engine, transactions: Engine, retry_seconds: float) -> None:
        """Take connections from these; Dagster has a method for it, but without a choice of the pool.

        Args:
            statements: Commits each statement.
            transactions: Does not.
            retry_seconds: See above.
        """
        self._engine = statements
        self._transactions = transactions
        self._open = OpenTransaction()
        self.retry_seconds = retry_seconds

    def connect(self, _run_id: str | None = None) -> AbstractContextManager[Connection]:
        """The connection of the transaction in progress, or one that commits each statement."""
        return nullcontext(self._open.connection) if self._open.connection else self._engine.connect()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One transaction for all that this thread does with this storage inside."""
        if self._open.connection:
            yield self._open.connection
            return
        with self._transactions.begin() as connection:
            self._open.connection = connection
            try:
                yield connection
            finally:
                self._open.connection = None

    def once(self, do: Callable[[], T], find: Callable[[], T | None]) -> T:
        """Call ``do`` in one transaction, again while PostgreSQL is away, with one effect.

        Args:
            do: What is to be done.
            find: What an earlier try returned whose answer was lost; ``None`` if it had no effect.
        """
        tries = count()

        def once_more() -> T:
            if next(tries) and (found := find()) is not None:
                return found
            with self.transaction():
                return do()

        return persist(self.retry_seconds, once_more)


class OpenTransaction(threading.local):
    """The connection of the transaction that a thread has begun."""

    connection: Connection | None = None


@reconnecting(RunStorage, but=("add_run",))
class PooledRunStorage(Pooled, PostgresRunStorage):
    """Runs and their tags."""

    def add_run(self, dagster_run: DagsterRun) -> DagsterRun:
        """Store a new run. Raises DagsterRunAlreadyExists."""

        def find() -> DagsterRun | None:
            return dagster_run if self.has_run(dagster_run.run_id) else None

        return self.once(partial(super().add_run, dagster_run), find)

    def add_run_tags(self, run_id: str, new_tags: Mapping[str, str]) -> None:
        """Set tags of a run."""
        with self.transaction():
            super().add_run_tags(run_id, new_tags)

    def handle_run_event(self, run_id: str, event: DagsterEvent, update_timestamp: datetime | None = None) -> None:
        """Set the status of a run as an event says."""
        with self.transaction():
            super().handle_run_event(run_id, event, update_timestamp)


@reconnecting(ScheduleStorage, but=("create_tick",))
class PooledScheduleStorage(Pooled, PostgresScheduleStorage):
    """Sensors, schedules and their ticks."""

    def create_tick(self, tick_data: TickData) -> InstigatorTick:
        """Store a new tick."""
        ticks = JobTickTable.c
        same = and_(
            ticks.job_origin_id == tick_data.instigator_origin_id, ticks.tick_body == serialize_value(tick_data)
        )

        def find() -> InstigatorTick | None:
            with self.connect() as connection:
                number = connection.scalar(select(ticks.id).where(same))
            return InstigatorTick(number, tick_data) if number else None

        return self.once(partial(super().create_tick, tick_data), find)


@reconnecting(EventLogStorage, but=("store_event", "store_event_batch"))
class OrderedEventLog(Pooled, PostgresEventLogStorage):
    """The event log, its decisive events written one writer after another.

    Ids are given out before a transaction ends, so without this a reader could see a later event first, note that it
    has read up to there, and never see the earlier one.
    """

    def store_event(self, event: EventLogEntry) -> None:
        """Store one event."""
        self._store([event], partial(super().store_event, event))

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store several events of one type at once."""
        if events:
            self._store(events, partial(super().store_event_batch, events))

    def _connect(self) -> AbstractContextManager[Connection]:
        return self.connect()

    def _store(self, events: Sequence[EventLogEntry], store: Callable[[], None]) -> None:
        logged = SqlEventLogStorageTable.c
        same = and_(logged.run_id == events[0].run_id, logged.event == serialize_value(events[0]))

        def find() -> bool | None:
            with self.connect() as connection:
                return connection.scalar(select(literal(value=True)).where(select(logged.id).where(same).exists()))

        def do() -> bool:
            if any(event.dagster_event_type in DECISIVE for event in events):
                with self.transaction() as connection:
                    _take_turn(connection)
            store()
            return True

        self.once(do, find)


def _take_turn(connection: Connection) -> None:
    """Be the only writer, and announce what is written. A writer that hangs is not waited for for ever."""
    connection.execute(text(f"NOTIFY {DECIDED}"))
    try:
        with connection.begin_nested():
            connection.execute(text(f"SET LOCAL lock_timeout = '{TURN_SECONDS}s'"))
            connection.execute(text(f"SELECT pg_advisory_xact_lock({TURN})"))
            connection.execute(text("SET LOCAL lock_timeout = 0"))
    except OperationalError as error:
        if connection_lost(error):
            raise


@contextmanager
def _alone(postgres_url: str, token_provider: Any) -> Iterator[None]:  # noqa: ANN401 - as Dagster's class
    """Be the only process that sets up: of several that make the same tables at once, all but one fail."""
    engine = create_pg_engine(postgres_url, token_provider, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"SELECT pg_advisory_lock({SETTING_UP})"))
        yield


def _pooled(postgres_url: str, token_provider: Any, **options: Any) -> Engine:  # noqa: ANN401 - as Dagster's class
    """A pool whose connections are looked at before use, unless they were in use a moment ago."""
    engine = create_pg_engine(postgres_url, token_provider, max_overflow=MORE_CONNECTIONS, **options)

    def check(connection: DBAPIConnection, record: ConnectionPoolEntry, _: object) -> None:
        if time.monotonic() - record.info.get("returned", 0) > TRUSTED_SECONDS:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as reason:
                raise DisconnectionError from reason

    def note(_: object, record: ConnectionPoolEntry) -> None:
        record.info["returned"] = time.monotonic()

    event.listen(engine, "checkout", check)
    event.listen(engine, "checkin", note)
    return engine
