"""The warehouse as the rest of the service sees it: the port ``Warehouse``, for any engine and for DuckDB."""

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
from analytics_exports.ports import Begun, Estimate, Page
from analytics_exports.warehouse.answers import Answers
from analytics_exports.warehouse.compiler import Compiler
from analytics_exports.warehouse.connection import Limits
from analytics_exports.warehouse.paging import binding, decode, encode
from analytics_exports.warehouse.scan import SessionScan
from analytics_exports.warehouse.session import Session
from analytics_exports.warehouse.sources import source_of
from analytics_exports.warehouse.spare import Connections


class SessionWarehouse(ABC):
    """The port over any engine that has a ``Session``."""

    def keep_open(self) -> AbstractContextManager[None]:
        """Keep what is slow to open. See the port for this method and the next four."""
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
        bound_to = binding(dataset, scope, selection)
        with self._connect(dataset.relation) as connection:
            compiler = Compiler(_fit(dataset, connection), scope, selection)
            begin = None if after is None else decode(after, bound_to, len(compiler.keys))
            rows, end = Answers(connection, compiler, scope).page(limit, offset, begin)
            return Page(
                columns=compiler.columns,
                rows=tuple(rows),
                next=None if end is None else encode(end, bound_to),
                data_as_of=connection.version.modified,
            )

    def count(self, dataset: Dataset, scope: OwnerScope, selection: Selection, begun: Begun | None = None) -> int:
        """Count the rows."""
        with self._connect(dataset.relation) as connection:
            if begun:
                begun(connection.interrupt)
            return Answers(connection, Compiler(_fit(dataset, connection), scope, selection), scope).count()

    def estimate(self, dataset: Dataset, scope: OwnerScope, selection: Selection) -> Estimate:
        """Count the rows and measure some of them."""
        with self._connect(dataset.relation) as connection:
            return Answers(connection, Compiler(_fit(dataset, connection), scope, selection), scope).estimate()

    def describe(self, relation: Relation) -> tuple[Column, ...] | None:
        """The columns of ``relation`` with types and collations; ``None`` when there is no such table or view.

        Raises:
            WarehouseBusy, WarehouseUnavailable: as for ``scan``.
        """
        try:
            with self._connect(relation) as connection:
                return connection.described(relation)
        except DatasetChanged:
            return None

    @abstractmethod
    def data_as_of(self) -> datetime:
        """When the current version of the warehouse was built. Raises WarehouseUnavailable."""

    @abstractmethod
    def _connect(self, relation: Relation) -> AbstractContextManager[Session]:
        """Open a reading of one table."""


class DuckDBWarehouse(SessionWarehouse):
    """The warehouse that DuckDB reads. Safe to share between threads."""

    def __init__(
        self, path: Path, *, memory_limit: str, threads: int, seconds: float, spill_root: Path, patience: float = 2.0
    ) -> None:
        """Name the file and the limits of each reading; nothing is opened yet.

        Args:
            path: Of a DuckDB file, or of a folder as ``sources`` describes it.
            memory_limit: As DuckDB spells it, such as ``256MB``.
            seconds: Time one query may take, the consumer's time included.
            spill_root: Folder for what does not fit into memory; nothing else may live there.
            patience: How long to wait for a writer that holds the file, in seconds.
        """
        self._path = path.absolute()
        limits = Limits(memory_limit, threads, seconds)
        self._connections = Connections(self._path, limits, spill_root.absolute(), patience)

    def keep_open(self) -> AbstractContextManager[None]:
        """Keep a connection between readings."""
        return self._connections.keeping()

    def data_as_of(self) -> datetime:
        """When the current version of the warehouse was built. Raises WarehouseUnavailable."""
        return source_of(self._path).version().modified

    def _connect(self, relation: Relation) -> AbstractContextManager[Session]:
        return self._connections.connect(relation)


def _fit(dataset: Dataset, connection: Session) -> Dataset:
    """``dataset`` with the types that its columns have in the warehouse now. Raises DatasetChanged when one is gone."""
    columns: tuple[Column, ...] = connection.known.get(dataset.relation) or connection.columns(dataset.relation)
    connection.known[dataset.relation] = columns
    types = {column.name: column.type for column in columns}
    if not types.keys() >= dataset.columns_by_name().keys():
        raise DatasetChanged
    return replace(dataset, columns=tuple(replace(column, type=types[column.name]) for column in dataset.columns))
