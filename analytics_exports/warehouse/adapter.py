"""The port ``Warehouse``, for any engine with a ``Session``, and for DuckDB."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.dataset import Column, Dataset, Relation
from analytics_exports.domain.errors import DatasetChanged
from analytics_exports.domain.selection import Selection
from analytics_exports.ports import Estimate, OnStart, Page
from analytics_exports.warehouse.checked_queries import CheckedQueries
from analytics_exports.warehouse.compiler import Compiler
from analytics_exports.warehouse.connection import ConnectionCache, QueryLimits
from analytics_exports.warehouse.paging import decode, encode, request_digest
from analytics_exports.warehouse.scan import SessionScan
from analytics_exports.warehouse.session import Session
from analytics_exports.warehouse.sources import source_of


class SessionWarehouse(ABC):
    """The port on any engine that has a ``Session``."""

    def keep_alive(self) -> AbstractContextManager[None]:
        """Do nothing by default. The port documents this method and the next four."""
        return nullcontext()

    @contextmanager
    def scan(self, dataset: Dataset, scope: OwnerScope, selection: Selection) -> Iterator[SessionScan]:
        """Open a scan."""
        with (
            self._connect(dataset.relation) as connection,
            closing(SessionScan(connection, Compiler(_fit(dataset, connection), scope, selection), scope)) as scan,
        ):
            yield scan

    def page(
        self,
        dataset: Dataset,
        scope: OwnerScope,
        selection: Selection,
        *,
        limit: int,
        offset: int = 0,
        after: str | None = None,
    ) -> Page:
        """Read one page."""
        bound_to = request_digest(dataset, scope, selection)
        with self._connect(dataset.relation) as connection:
            compiler = Compiler(_fit(dataset, connection), scope, selection)
            begin = None if after is None else decode(after, bound_to, len(compiler.keys))
            rows, end = CheckedQueries(connection, compiler, scope).page(limit, offset, begin)
            return Page(
                columns=compiler.columns,
                rows=tuple(rows),
                next=None if end is None else encode(end, bound_to),
                data_as_of=connection.version.modified,
            )

    def count(self, dataset: Dataset, scope: OwnerScope, selection: Selection, on_start: OnStart | None = None) -> int:
        """Count the rows."""
        with self._connect(dataset.relation) as connection:
            if on_start:
                on_start(connection.interrupt)
            return CheckedQueries(connection, Compiler(_fit(dataset, connection), scope, selection), scope).count()

    def estimate(self, dataset: Dataset, scope: OwnerScope, selection: Selection) -> Estimate:
        """Count the rows and measure some of them."""
        with self._connect(dataset.relation) as connection:
            return CheckedQueries(connection, Compiler(_fit(dataset, connection), scope, selection), scope).estimate()

    def describe(self, relation: Relation) -> tuple[Column, ...] | None:
        """The columns of ``relation`` with types and collations; ``None`` when there is no such table or view.

        Raises:
            WarehouseBusy, WarehouseUnavailable: as for ``scan``.
        """
        try:
            with self._connect(relation) as connection:
                return connection.columns_with_collations(relation)
        except DatasetChanged:
            return None

    @abstractmethod
    def data_as_of(self) -> datetime:
        """When the current version of the warehouse was built. Raises WarehouseUnavailable."""

    @abstractmethod
    def _connect(self, relation: Relation) -> AbstractContextManager[Session]:
        """Open a reading of one table."""


class DuckDBWarehouse(SessionWarehouse):
    """The warehouse on DuckDB. Thread-safe."""

    def __init__(
        self,
        path: Path,
        *,
        memory_limit: str,
        threads: int,
        seconds: float,
        spill_root: Path,
        lock_timeout: float = 2.0,
    ) -> None:
        """Use the warehouse at ``path`` with these limits for each reading; nothing is opened yet.

        Args:
            path: A DuckDB file, or a folder (see ``sources``).
            memory_limit: As DuckDB spells it, such as ``256MB``.
            seconds: Time limit of one query, including the consumer's time.
            spill_root: Folder for data that does not fit into memory; it must not be used for anything else.
            lock_timeout: How long to wait for a writer that holds the file, in seconds.
        """
        self._path = path.absolute()
        limits = QueryLimits(memory_limit, threads, seconds)
        self._connections = ConnectionCache(self._path, limits, spill_root.absolute(), lock_timeout)

    def keep_alive(self) -> AbstractContextManager[None]:
        """Keep a connection open between readings."""
        return self._connections.keep_alive()

    def data_as_of(self) -> datetime:
        """When the current version of the warehouse was built. Raises WarehouseUnavailable."""
        return source_of(self._path).version().modified

    def _connect(self, relation: Relation) -> AbstractContextManager[Session]:
        return self._connections.connect(relation)


def _fit(dataset: Dataset, connection: Session) -> Dataset:
    """``dataset`` with the current types of its columns. Raises DatasetChanged when a column is missing."""
    columns: tuple[Column, ...] = connection.metadata_cache.get(dataset.relation) or connection.columns(
        dataset.relation
    )
    connection.metadata_cache[dataset.relation] = columns
    types = {column.name: column.type for column in columns}
    if not types.keys() >= dataset.columns_by_name().keys():
        raise DatasetChanged
    return replace(dataset, columns=tuple(replace(column, type=types[column.name]) for column in dataset.columns))
