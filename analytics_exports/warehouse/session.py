"""What an engine has to provide: one reading of one table, in one version, with a time limit.

The rest of the package is the same for every engine. DuckDB's is in ``duckdb_session``, PostgreSQL's in ``postgres``.
"""

from concurrent.futures import Executor
from contextlib import AbstractContextManager
from threading import Event
from typing import Any, Protocol

import pyarrow as pa

from analytics_exports.domain.dataset import Column, Relation
from analytics_exports.warehouse.compiler import Query
from analytics_exports.warehouse.sources import Version


class Session(Protocol):
    """An open reading. Queries run one at a time, inside ``domain_errors``.

    Attributes:
        seconds: Time limit of a query.
        thread: In which queries can run one at a time, while ``interrupt`` is called from others.
        stopped: Set once ``interrupt`` was called.
        metadata_cache: What readings have found out about tables and queries of this version.
    """

    thread: Executor
    stopped: Event
    seconds: float
    metadata_cache: dict[Relation | str, Any]

    @property
    def version(self) -> Version:
        """The version that is read."""

    def columns(self, relation: Relation) -> tuple[Column, ...]:
        """The columns of ``relation``, with DuckDB's type names. Raises DatasetChanged when it does not exist."""

    def columns_with_collations(self, relation: Relation) -> tuple[Column, ...]:
        """The columns of ``relation``; the type of a column with a collation includes it."""

    def fetch(self, query: Query) -> list[tuple[Any, ...]]:
        """All rows of a query with a small result."""

    def is_large_table(self, relation: Relation) -> bool:
        """Whether ``relation`` is stored in blocks, and in so many that it may be worth reading some at a time."""

    def blocks(self, query: Query) -> list[tuple[Any, ...]]:
        """The rows of a query about the blocks in which a large table is stored; none when that cannot be asked."""

    def reader(self, query: Query, rows: int) -> pa.RecordBatchReader:
        """The rows of a query in batches of ``rows``, represented as ``frames`` defines."""

    def schema(self, query: Query) -> pa.Schema:
        """The schema of ``reader``, without reading."""

    def interrupt(self) -> None:
        """Stop the running query and refuse later ones, from any thread."""

    def stop_query(self) -> None:
        """Stop the running query, if any, from any thread."""

    def verify(self) -> None:
        """Raise WarehouseChanged when what is read was overwritten since it was opened."""

    def domain_errors(self) -> AbstractContextManager[None]:
        """Raise the domain error for an error of the engine inside the block."""
