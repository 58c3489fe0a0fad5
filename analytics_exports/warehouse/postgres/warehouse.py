"""The port ``Warehouse`` on the tables of one PostgreSQL database (16 or newer)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import datetime

import duckdb
import psycopg
from psycopg import IsolationLevel

from analytics_exports.domain.dataset import Relation
from analytics_exports.warehouse.adapter import SessionWarehouse
from analytics_exports.warehouse.postgres.session import PostgresSession, to_domain_error

_CONNECT_SECONDS = 5
_LOCAL = {
    "allow_extension_repositories": "forbidden",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "enable_external_access": "false",
    "python_enable_replacements": "false",
}


class PostgresWarehouse(SessionWarehouse):
    """The warehouse in one PostgreSQL database. Thread-safe: it keeps no connection."""

    def __init__(self, url: str, *, memory_limit: str, seconds: float) -> None:
        """Use the database at ``url``; nothing is opened yet.

        Args:
            url: ``postgresql://``, with an account that only needs to read the models.
            memory_limit: For processing rows here, as DuckDB spells it, such as ``256MB``.
            seconds: Time limit of one statement.
        """
        self._url = url
        self._memory_limit = memory_limit
        self._seconds = seconds
        self._options = f"-c statement_timeout={max(1, round(seconds * 1000))} -c TimeZone=UTC -c search_path="

    def data_as_of(self) -> datetime:
        """Now: writes to the database are visible to the next reading. Raises WarehouseUnavailable."""
        with self._open() as session:
            return session.version.modified

    def _connect(self, relation: Relation) -> AbstractContextManager[PostgresSession]:  # noqa: ARG002 - a connection reaches every table
        return self._open()

    @contextmanager
    def _open(self) -> Iterator[PostgresSession]:
        try:
            server = psycopg.connect(self._url, connect_timeout=_CONNECT_SECONDS, options=self._options)
        except psycopg.Error as error:
            raise to_domain_error(error) from None
        with duckdb.connect(":memory:", config={**_LOCAL, "memory_limit": self._memory_limit, "threads": "1"}) as local:
            local.execute("SET GLOBAL TimeZone = 'UTC'; SET GLOBAL lock_configuration = true")
            with closing(server), ThreadPoolExecutor(1, "warehouse") as thread:
                server.isolation_level = IsolationLevel.REPEATABLE_READ
                server.read_only = True
                with closing(PostgresSession(server, local, thread, self._seconds)) as session:
                    yield session
