"""Dagster's storage in PostgreSQL on pooled connections; ``dagster.yaml`` names it in place of the stock class.

The stock storages open a connection for each statement, which costs far more than the statement. Here the three
storages share one small pool per process and survive a restart of PostgreSQL: a method whose connection was lost is
repeated on a new one. A method that must take effect once is one transaction, and before it is repeated, the storage
checks whether the first try was committed. Besides, the event log gives its followers a guarantee: events that decide
the outcome of exports become visible in the order of their ids, and each causes a notification.

Every Dagster process imports this module: whatever it imports is loaded by all of them.
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

from analytics_exports.gateway import EVENT_LOG_CHANNEL
from analytics_exports.reconnecting import connection_lost, reconnecting, retry_while_away
from analytics_exports.settings import Settings

CONNECTIONS, TRANSACTIONS, MORE_CONNECTIONS = 2, 1, 20
"""Connections that a process keeps for single statements and for transactions, and how many more it may open of each.
"""

PING_AFTER_SECONDS = 1.0
"""A connection that was idle for longer is pinged before use. One that was in use a moment ago is not: the method is
repeated if it is broken.
"""

OUTCOME_EVENTS = frozenset(
    {DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.RUN_FAILURE, DagsterEventType.RUN_CANCELED}
)
"""Events that complete an export or end it."""

WRITER_LOCK = 0x5EED_E4B1
"""Key of the advisory lock that is held while an outcome event is written: any number unused in this database."""

WRITER_LOCK_SECONDS = 5

BECOME_WRITER = text(f"""
    SELECT set_config('lock_timeout', '{WRITER_LOCK_SECONDS}s', true), pg_advisory_xact_lock({WRITER_LOCK}),
        set_config('lock_timeout', '0', true)
""")

SETUP_LOCK = WRITER_LOCK + 1
"""Key of the advisory lock that is held while Dagster's tables are created."""

T = TypeVar("T")


class PooledPostgresStorage(DagsterPostgresStorage):
    """Takes the configuration of Dagster's own ``postgres`` storage."""

    def __init__(self, postgres_url: str, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as Dagster's class
        """Set up as Dagster does, then replace the three storages by ones on a shared pool."""
        retry_seconds = Settings().lease_seconds
        token_provider = options.get("token_provider")

        def set_up() -> None:
            try:
                with _setup_lock(postgres_url, token_provider):
                    super(PooledPostgresStorage, self).__init__(postgres_url, *arguments, **options)
            except DagsterPostgresException as error:  # it names the number of tries, not the cause
                raise (error.__cause__ or error) from None

        retry_while_away(retry_seconds, set_up)
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


class PooledStorage:
    """A storage on a pool of connections that it shares with others.

    Attributes:
        retry_seconds: How long a method is repeated while PostgreSQL is away: until the lease of an export ends.
    """

    retry_seconds: float
    _engine: Engine

    def use(self, statements: Engine, transactions: Engine, retry_seconds: float) -> None:
        """Take connections from these engines. Dagster's own method for this does not allow choosing the pool.

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
        """One transaction for everything that this thread does with this storage inside the block."""
        if self._open.connection:
            yield self._open.connection
            return
        with self._transactions.begin() as connection:
            self._open.connection = connection
            try:
                yield connection
            finally:
                self._open.connection = None

    def run_once(self, do: Callable[[], T], find: Callable[[], T | None]) -> T:
        """Call ``do`` in one transaction, repeated while PostgreSQL is away, so that it takes effect exactly once.

        Args:
            do: The operation.
            find: The result of an earlier try whose response was lost; ``None`` if it was not committed.
        """
        tries = count()

        def once_more() -> T:
            if next(tries) and (found := find()) is not None:
                return found
            with self.transaction():
                return do()

        return retry_while_away(self.retry_seconds, once_more)


class OpenTransaction(threading.local):
    """The connection of the transaction that a thread has begun."""

    connection: Connection | None = None


@reconnecting(RunStorage, excluding=(RunStorage.add_run,))
class PooledRunStorage(PooledStorage, PostgresRunStorage):
    """Runs and their tags."""

    def add_run(self, dagster_run: DagsterRun) -> DagsterRun:
        """Store a new run. Raises DagsterRunAlreadyExists."""

        def find() -> DagsterRun | None:
            return dagster_run if self.has_run(dagster_run.run_id) else None

        return self.run_once(partial(super().add_run, dagster_run), find)

    def add_run_tags(self, run_id: str, new_tags: Mapping[str, str]) -> None:
        """Set tags of a run."""
        with self.transaction():
            super().add_run_tags(run_id, new_tags)

    def handle_run_event(self, run_id: str, event: DagsterEvent, update_timestamp: datetime | None = None) -> None:
        """Set the status of a run as an event says."""
        with self.transaction():
            super().handle_run_event(run_id, event, update_timestamp)


@reconnecting(ScheduleStorage, excluding=(ScheduleStorage.create_tick,))
class PooledScheduleStorage(PooledStorage, PostgresScheduleStorage):
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

        return self.run_once(partial(super().create_tick, tick_data), find)


@reconnecting(EventLogStorage, excluding=(EventLogStorage.store_event, EventLogStorage.store_event_batch))
class OrderedEventLog(PooledStorage, PostgresEventLogStorage):
    """The event log, with outcome events written by one writer at a time.

    Ids are assigned before a transaction commits, so without this a reader could see a later event first, record that
    position, and never see the earlier event.
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
        def find() -> bool | None:
            logged = SqlEventLogStorageTable.c
            same = and_(logged.run_id == events[0].run_id, logged.event == serialize_value(events[0]))
            with self.connect() as connection:
                return connection.scalar(select(literal(value=True)).where(select(logged.id).where(same).exists()))

        def do() -> bool:
            if any(event.dagster_event_type in OUTCOME_EVENTS for event in events):
                with self.transaction() as connection:
                    _lock_and_notify(connection)
            store()
            return True

        self.run_once(do, find)


def _lock_and_notify(connection: Connection) -> None:
    """Become the only writer and notify of the events. The wait for another writer is limited, in case it hangs."""
    connection.execute(text(f"NOTIFY {EVENT_LOG_CHANNEL}"))
    try:
        with connection.begin_nested():
            connection.execute(BECOME_WRITER)
    except OperationalError as error:
        if connection_lost(error):
            raise


@contextmanager
def _setup_lock(postgres_url: str, token_provider: Any) -> Iterator[None]:  # noqa: ANN401 - as Dagster's class
    """Let only one process set up the tables: of several that create the same tables at once, all but one fail."""
    engine = create_pg_engine(postgres_url, token_provider, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"SELECT pg_advisory_lock({SETUP_LOCK})"))
        yield


def _pooled(postgres_url: str, token_provider: Any, **options: Any) -> Engine:  # noqa: ANN401 - as Dagster's class
    """A pool whose connections are pinged before use, unless they were in use a moment ago."""
    engine = create_pg_engine(postgres_url, token_provider, max_overflow=MORE_CONNECTIONS, **options)

    def check(connection: DBAPIConnection, record: ConnectionPoolEntry, _: object) -> None:
        if time.monotonic() - record.info.get("returned", 0) > PING_AFTER_SECONDS:
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as reason:
                raise DisconnectionError from reason

    def note(_: object, record: ConnectionPoolEntry) -> None:
        record.info["returned"] = time.monotonic()

    event.listen(engine, "checkout", check)
    event.listen(engine, "checkin", note)
    return engine
