"""Connections to PostgreSQL.

One place turns the setting into URLs for the two drivers: psycopg 3 for this service, psycopg2 for Dagster's storage
(dagster-postgres does not work on psycopg 3, and SQLAlchemy 2.1 picks that for a bare ``postgresql://``).
"""

from sqlalchemy import Engine, create_engine, make_url
from sqlalchemy.engine import URL

from analytics_exports.database.patience import Patience

CONNECT_SECONDS = 3


def app_url(database_url: str) -> URL:
    """The URL for this service's own connections."""
    return make_url(database_url).set(drivername="postgresql+psycopg")


def make_engine(
    database_url: str, *, application: str = "analytics-exports", pool_size: int = 5, patience: float | None = None
) -> Engine:
    """A pool of connections that are checked before use and set to UTC.

    Args:
        database_url: Any ``postgresql://`` URL.
        application: What the process is called in PostgreSQL and in the audit trail.
        pool_size: Connections kept open; as many again may be opened when all are in use.
        patience: How long to wait for an answer, in seconds, for those who must not wait for a server that is frozen.
    """
    engine = create_engine(
        app_url(database_url),
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_timeout=patience or CONNECT_SECONDS,
        pool_pre_ping=patience is None,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "options": "-c timezone=UTC -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s",
            "application_name": application,
        },
    )
    if patience is not None:
        Patience(patience).govern(engine)
    return engine
