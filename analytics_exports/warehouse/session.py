"""What an engine has to offer: one reading of one table, in one version, with a limit on its time.

The rest of the package is the same for every engine. DuckDB's is ``connection``, PostgreSQL's is in ``postgres``.
"""

from contextlib import AbstractContextManager
from threading import Event
from typing import Any, Protocol

import pyarrow as pa

from analytics_exports.domain.dataset import Column, Relation
from analytics_exports.warehouse.compiler import Query
from analytics_exports.warehouse.sources import Version


class Session(Protocol):
    """An open reading. Queries run one at a time, and inside ``translated``.

    Attributes:
        seconds: How long a query may take.
        stopped: Set once ``interrupt`` was called.
        known: What readings have found out about the columns of tables and queries of this version.
    """

    stopped: Event
    seconds: float
    known: dict[Relation | str, Any]

    @property
    def version(self) -> Version:
        """What is read."""

    def columns(self, relation: Relation) -> tuple[Column, ...]:
        """The columns of ``relation``, with DuckDB's type names. Raises DatasetChanged when it does not exist."""

    def described(self, relation: Relation) -> tuple[Column, ...]:
        """The same; the type of a column that compares loosely says so."""

    def fetch(self, query: Query) -> list[tuple[Any, ...]]:
        """All rows of a query that has few."""

    def blocks(self, query: Query) -> list[tuple[Any, ...]]:
        """The rows of a query about the blocks in which a table is stored; none where the engine does not say."""

    def reader(self, query: Query, rows: int) -> pa.RecordBatchReader:
        """The rows of a query, so many at a time, as ``frames`` describes them."""

    def schema(self, query: Query) -> pa.Schema:
        """The schema of ``reader``, without reading."""

    def interrupt(self) -> None:
        """Stop the query that is running and any later one, from any thread."""

    def stop_query(self) -> None:
        """Stop the query that is running, if any, from any thread."""

    def verify(self) -> None:
        """Raise WarehouseChanged when what is read was overwritten since it was opened."""

    def translated(self) -> AbstractContextManager[None]:
        """Raise what an error of the engine means instead of the error."""
