"""The warehouse as the rest of the service sees it: the port ``Warehouse`` over one DuckDB file."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.dataset import Column, Dataset, Relation
from analytics_exports.domain.errors import DatasetChanged
from analytics_exports.domain.selection import Selection
from analytics_exports.ports import Estimate, Page
from analytics_exports.warehouse.answers import Answers
from analytics_exports.warehouse.collations import collations
from analytics_exports.warehouse.compiler import Compiler
from analytics_exports.warehouse.connection import Connection, Limits
from analytics_exports.warehouse.identifiers import table
from analytics_exports.warehouse.identity import identify
from analytics_exports.warehouse.paging import binding, decode, encode
from analytics_exports.warehouse.scan import DuckDBScan
from analytics_exports.warehouse.spare import Connections


class DuckDBWarehouse:
    """The warehouse in one DuckDB file. Safe to share between threads."""

    def __init__(
        self, path: Path, *, memory_limit: str, threads: int, seconds: float, spill_root: Path, patience: float = 2.0
    ) -> None:
        """Name the file and the limits of each reading; nothing is opened yet.

        Args:
            memory_limit: As DuckDB spells it, such as ``256MB``.
            seconds: Time one query may take, the consumer's time included.
            spill_root: Folder for what does not fit into memory; nothing else may live there.
            patience: How long to wait for a writer that holds the file, in seconds.
        """
        self._path = path.absolute()
        limits = Limits(memory_limit, threads, seconds)
        self._connections = Connections(self._path, limits, spill_root.absolute(), patience)

    def keep_open(self) -> AbstractContextManager[None]:
        """Keep a connection between readings. See the port for this method and the next four."""
        return self._connections.keeping()

    @contextmanager
    def scan(self, dataset: Dataset, scope: OwnerScope, selection: Selection) -> Iterator[DuckDBScan]:
        """Open a scan."""
        with (
            self._connect(dataset.relation) as connection,
            closing(DuckDBScan(connection, Compiler(_fit(dataset, connection), scope, selection), scope)) as scan,
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
                data_as_of=connection.identity.modified,
            )

    def count(self, dataset: Dataset, scope: OwnerScope, selection: Selection) -> int:
        """Count the rows."""
        with self._connect(dataset.relation) as connection:
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
                return _collated(connection, relation, _columns(connection, relation))
        except DatasetChanged:
            return None

    def data_as_of(self) -> datetime:
        """When the current version of the warehouse was built. Raises WarehouseUnavailable."""
        return identify(self._path).modified

    def _connect(self, relation: Relation) -> AbstractContextManager[Connection]:
        return self._connections.connect(relation.database)


def _fit(dataset: Dataset, connection: Connection) -> Dataset:
    """``dataset`` with the types that its columns have in the warehouse now. Raises DatasetChanged when one is gone."""
    columns: tuple[Column, ...] = connection.known.get(dataset.relation) or _columns(connection, dataset.relation)
    connection.known[dataset.relation] = columns
    types = {column.name: column.type for column in columns}
    if not types.keys() >= dataset.columns_by_name().keys():
        raise DatasetChanged
    return replace(dataset, columns=tuple(replace(column, type=types[column.name]) for column in dataset.columns))


def _columns(connection: Connection, relation: Relation) -> tuple[Column, ...]:
    """The columns of ``relation``. Raises DatasetChanged when it does not exist."""
    with connection.translated():
        found = connection.duckdb.sql(f"FROM {table(relation)}")
        return tuple(Column(name, str(of)) for name, of in zip(found.columns, found.types, strict=True))


def _collated(connection: Connection, relation: Relation, columns: tuple[Column, ...]) -> tuple[Column, ...]:
    """The same columns; the type of one that compares loosely says so, as ``VARCHAR COLLATE NOCASE`` does."""
    texts = [column.name for column in columns if column.type == "VARCHAR"]
    with connection.translated():
        found = collations(connection, relation, texts)
    return tuple(
        replace(column, type=f"VARCHAR COLLATE {found[column.name]}") if column.name in found else column
        for column in columns
    )
