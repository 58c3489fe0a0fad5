"""Connection pools for PostgreSQL, and transactions that record who makes a change.

The database URL is converted here for this service's driver, psycopg 3. Dagster's storage needs psycopg2, because
dagster-postgres does not work with psycopg 3, which SQLAlchemy 2.1 picks for a bare ``postgresql://``.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, bindparam, create_engine, func, make_url, select
from sqlalchemy.engine import URL

from analytics_exports.database.response_timeout import ResponseTimeout
from analytics_exports.reconnecting import unavailable_when_away

CONNECT_SECONDS = 3

SET_ACTOR = select(
    func.set_config("analytics_exports.actor", bindparam("actor"), True),  # noqa: FBT003 - local to the transaction
    func.set_config("analytics_exports.actor_id", bindparam("actor_id"), True),  # noqa: FBT003
)


def app_url(database_url: str) -> URL:
    """The URL for this service's own connections."""
    return make_url(database_url).set(drivername="postgresql+psycopg")


def make_engine(
    database_url: str,
    *,
    application: str = "analytics-exports",
    pool_size: int = 5,
    response_timeout: float | None = None,
) -> Engine:
    """A pool of connections that are verified before use and set to UTC.

    Args:
        database_url: Any ``postgresql://`` URL.
        application: Name of the process in PostgreSQL and in the audit trail.
        pool_size: Connections kept open; as many again may be opened when all are in use.
        response_timeout: How long to wait for a response, in seconds; ``None`` waits without a limit.
    """
    engine = create_engine(
        app_url(database_url),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=response_timeout or CONNECT_SECONDS,
        pool_pre_ping=response_timeout is None,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "options": "-c timezone=UTC -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s",
            "application_name": application,
        },
    )
    if response_timeout is not None:
        ResponseTimeout(response_timeout).attach(engine)
    return engine


class Transactions:
    """The base of all parts of the JobStore: statements and transactions over the connections of one engine.

    Statements are executed by SQLAlchemy's Core, and those of frequent operations are built once, with parameters:
    mapping rows to objects in a session, and building a statement, each cost as much as executing it.
    """

    def __init__(self, engine: Engine, retry_seconds: float = 0) -> None:
        """Use the database of ``engine``.

        Args:
            retry_seconds: How long a method is retried while PostgreSQL is away.
        """
        self.retry_seconds = retry_seconds
        self._engine = engine
        self._committing = engine.execution_options(isolation_level="AUTOCOMMIT")

    @contextmanager
    def _statement(self) -> Iterator[Connection]:
        """A connection on which each statement is a transaction, in one round trip.

        Raises:
            DatabaseUnavailable: PostgreSQL does not respond.
        """
        with unavailable_when_away(), self._committing.connect() as connection:
            yield connection

    @contextmanager
    def _transaction(self, actor: str = "", actor_id: object = "") -> Iterator[Connection]:
        """One transaction. Raises DatabaseUnavailable when PostgreSQL does not respond.

        Args:
            actor, actor_id: Who makes the change, for the audit trail (see ``models.JobEvent``); by default this
                process.
        """
        with unavailable_when_away(), self._engine.begin() as connection:
            if actor:
                connection.execute(SET_ACTOR, {"actor": actor, "actor_id": str(actor_id)})
            yield connection
