"""Dagster's storage in PostgreSQL, on a pool of connections: named in ``dagster.yaml`` in place of the stock class.

The stock storages open a connection for each statement, which costs far more than the statement. Here the three of them
share one small pool in each process. The event log keeps a promise besides, to whoever follows it: events that decide
about exports become visible in the order of their ids, and each of them is announced.

Every Dagster process imports this module: nothing but Dagster's own packages belongs here.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Self

from dagster import DagsterEventType, EventLogEntry
from dagster_postgres import DagsterPostgresStorage, PostgresEventLogStorage
from dagster_postgres.utils import create_pg_engine, get_token_provider_from_config, pg_url_from_config
from sqlalchemy import Engine, event, text
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DisconnectionError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from analytics_exports.gateway import DECIDED

CONNECTIONS, MORE_CONNECTIONS = 2, 20
"""Connections that a process keeps, and how many more it may open for a moment."""

TRUSTED_SECONDS = 1.0
"""A connection that was used so lately is used again without asking whether it still works."""

DECISIVE = frozenset(
    {DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.RUN_FAILURE, DagsterEventType.RUN_CANCELED}
)
"""Events that complete an export or end it."""

TURN = 0x5EED_E4B1
"""The advisory lock of whoever writes a decisive event: any number that no other user of this database locks."""

TURN_SECONDS = 5

SETTING_UP = TURN + 1
"""The advisory lock of whoever sees to it that Dagster's tables are there."""


class PooledPostgresStorage(DagsterPostgresStorage):
    """Takes the configuration of Dagster's own ``postgres`` storage."""

    def __init__(self, postgres_url: str, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as Dagster's class
        """Set up as Dagster does, then move the three storages onto one pool."""
        with _alone(postgres_url, options.get("token_provider")):
            super().__init__(postgres_url, *arguments, **options)
        engine = _pooled(postgres_url, options.get("token_provider"))
        self._event_log_storage = OrderedEventLog(postgres_url, should_autocreate_tables=False)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            _move(storage, engine)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Self:  # noqa: ANN401 - Dagster's signature
        """Make the storage that ``dagster.yaml`` describes."""
        return cls(
            inst_data=inst_data,
            postgres_url=pg_url_from_config(config_value),
            should_autocreate_tables=config_value.get("should_autocreate_tables", True),
            token_provider=get_token_provider_from_config(config_value),
        )


class OrderedEventLog(PostgresEventLogStorage):
    """The event log, its decisive events written one writer after another.

    Ids are given out before a transaction ends, so without this a reader could see a later event first, note that it
    has read up to there, and never see the earlier one.
    """

    def store_event(self, event: EventLogEntry) -> None:
        """Store one event."""
        if event.dagster_event_type not in DECISIVE:
            super().store_event(event)
            return
        with self._turn():
            super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store several events of one type at once."""
        with self._turn():
            super().store_event_batch(events)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Be the only writer, and announce what was written. A writer that hangs is not waited for for ever."""
        with self.index_transaction() as connection:
            connection.execute(text(f"SET LOCAL lock_timeout = '{TURN_SECONDS}s'"))
            with suppress(OperationalError):
                connection.execute(text(f"SELECT pg_advisory_xact_lock({TURN})"))
                connection.execute(text(f"NOTIFY {DECIDED}"))
            yield


@contextmanager
def _alone(postgres_url: str, token_provider: Any) -> Iterator[None]:  # noqa: ANN401 - as Dagster's class
    """Be the only process that sets up: of several that make the same tables at once, all but one fail."""
    engine = create_pg_engine(postgres_url, token_provider, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with engine.connect() as connection:
        connection.execute(text(f"SELECT pg_advisory_lock({SETTING_UP})"))
        yield


def _pooled(postgres_url: str, token_provider: Any) -> Engine:  # noqa: ANN401 - as Dagster's class
    """A pool that survives a restart of PostgreSQL, as a connection for each statement would."""
    engine = create_pg_engine(
        postgres_url,
        token_provider,
        isolation_level="AUTOCOMMIT",
        pool_size=CONNECTIONS,
        max_overflow=MORE_CONNECTIONS,
    )

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


def _move(storage: Any, engine: Engine) -> None:  # noqa: ANN401 - three classes that have only this in common
    """Have ``storage`` use ``engine``; Dagster has a method for it, but without a choice of the pool."""
    storage._engine = engine  # noqa: SLF001
