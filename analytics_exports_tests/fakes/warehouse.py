"""The Warehouse in memory. Which rows a caller gets is decided by the oracle of the isolation proof."""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import date, datetime
from decimal import Decimal
from threading import Event
from typing import Any

import polars as pl

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.dataset import Column, Dataset, Relation
from analytics_exports.domain.errors import (
    DatasetChanged,
    ExportError,
    FieldProblem,
    InvalidRequest,
    RunCancelled,
    WarehouseBusy,
    WarehouseChanged,
    WarehouseUnavailable,
)
from analytics_exports.domain.selection import Selection
from analytics_exports.ports import Estimate, OnStart, Page
from analytics_exports_tests.factories import NOW
from analytics_exports_tests.isolation.generated_data import Row
from analytics_exports_tests.isolation.oracle import expected

_POLARS: Mapping[str, pl.DataType] = {
    "BIGINT": pl.Int64(),
    "DATE": pl.Date(),
    "DECIMAL(18,2)": pl.Decimal(18, 2),
    "DOUBLE": pl.Float64(),
    "INTEGER": pl.Int32(),
    "TIMESTAMP": pl.Datetime("us"),
    "UUID": pl.String(),
    "UUID[]": pl.List(pl.String()),
    "VARCHAR": pl.String(),
    "VARCHAR[]": pl.List(pl.String()),
}
_PREVIEW_ROWS = 5


class FakeScan:
    """Implements ``ports.Scan``."""

    def __init__(self, warehouse: "FakeWarehouse", columns: tuple[Column, ...], rows: list[Row]) -> None:
        self.columns = columns
        self.data_as_of = warehouse.built_at
        self._warehouse = warehouse
        self._interrupted = False
        schema = {column.name: _POLARS[column.type] for column in columns}
        cells = [[_plain(row[column.name]) for column in columns] for row in rows]
        self._rows = pl.DataFrame(cells, schema=schema, orient="row")
        self.preview = self._rows.clear()

    @property
    def schema(self) -> pl.Schema:
        return self._rows.schema

    def batches(self) -> Iterator[pl.DataFrame]:
        if self._interrupted:
            raise RunCancelled
        if self._warehouse.failure is not None:
            raise self._warehouse.failure
        self.preview = self._rows.head(_PREVIEW_ROWS)
        yield self._rows

    def verify(self) -> None:
        if self._warehouse.overwritten:
            raise WarehouseChanged

    def interrupt(self) -> None:
        self._interrupted = True


class FakeWarehouse:
    """Implements ``ports.Warehouse`` over rows that the test hands in.

    Set ``away`` or ``busy`` to keep callers out, ``overwritten`` for a file that changes while it is read, ``failure``
    for an error in the middle of reading.
    """

    def __init__(self) -> None:
        self.away = False
        self.busy = False
        self.overwritten = False
        self.failure: ExportError | None = None
        self.built_at = NOW
        self._tables: dict[Relation, tuple[tuple[Column, ...], tuple[Row, ...]]] = {}

    def load(self, dataset: Dataset, rows: Iterable[Row]) -> None:
        """Make the table of ``dataset`` with these rows."""
        self._tables[dataset.relation] = (dataset.columns, tuple(rows))

    @contextmanager
    def scan(self, dataset: Dataset, scope: OwnerScope, selection: Selection) -> Iterator[FakeScan]:
        yield FakeScan(self, *self._select(dataset, scope, selection))

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
        columns, rows = self._select(dataset, scope, selection)
        bound_to = repr((dataset.id, scope, selection))
        begin = offset + (_position(after, bound_to) if after is not None else 0)
        end = begin + limit
        return Page(
            columns=columns,
            rows=tuple(_json(columns, row) for row in rows[begin:end]),
            next=_cursor(end, bound_to) if end < len(rows) else None,
            data_as_of=self.built_at,
        )

    def count(self, dataset: Dataset, scope: OwnerScope, selection: Selection, on_start: OnStart | None = None) -> int:
        interrupted = Event()
        if on_start:
            on_start(interrupted.set)
        if interrupted.is_set():
            raise RunCancelled
        return len(self._select(dataset, scope, selection)[1])

    def estimate(self, dataset: Dataset, scope: OwnerScope, selection: Selection) -> Estimate:
        columns, rows = self._select(dataset, scope, selection)
        return Estimate(row_count=len(rows), text_bytes=sum(len(_json(columns, row)) for row in rows))

    def describe(self, relation: Relation) -> tuple[Column, ...] | None:
        self._reach()
        return self._tables[relation][0] if relation in self._tables else None

    def keep_alive(self) -> AbstractContextManager[None]:
        return nullcontext()

    def data_as_of(self) -> datetime:
        if self.away:
            raise WarehouseUnavailable
        return self.built_at

    def _select(
        self, dataset: Dataset, scope: OwnerScope, selection: Selection
    ) -> tuple[tuple[Column, ...], list[Row]]:
        self._reach()
        columns, rows = self._tables.get(dataset.relation, ((), ()))
        actual = {column.name: column for column in columns}
        if not actual.keys() >= dataset.columns_by_name().keys():
            raise DatasetChanged
        names = selection.columns or tuple(dataset.columns_by_name())
        return tuple(actual[name] for name in names), expected(dataset, rows, scope, selection)

    def _reach(self) -> None:
        if self.away:
            raise WarehouseUnavailable
        if self.busy:
            raise WarehouseBusy


def _plain(cell: object) -> object:
    """UUIDs travel as text."""
    if isinstance(cell, list):
        return [_plain(item) for item in cell]
    return cell if cell is None or isinstance(cell, date | Decimal | float | int) else str(cell)


def _json(columns: Iterable[Column], row: Row) -> str:
    """A row as JSON text: long integers and decimals as strings."""

    def value(column: Column) -> Any:
        cell = _plain(row[column.name])
        return str(cell) if isinstance(cell, date | Decimal) or (cell is not None and column.type == "BIGINT") else cell

    return json.dumps({column.name: value(column) for column in columns}, separators=(",", ":"), ensure_ascii=False)


def _cursor(position: int, bound_to: str) -> str:
    return base64.urlsafe_b64encode(f"{position}:{bound_to}".encode()).decode()


def _position(cursor: str, bound_to: str) -> int:
    try:
        position, _, bound = base64.urlsafe_b64decode(cursor).decode().partition(":")
    except ValueError:
        bound = None
    if bound != bound_to:
        raise InvalidRequest(FieldProblem("/cursor", "This is not a cursor of the same request; begin without one."))
    return int(position)
