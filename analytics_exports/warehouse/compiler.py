"""Compiles a request to SQL; no other module does.

A compiled query is one SELECT from one table. Its WHERE is a conjunction, and its first condition restricts the rows to
the owner. Values are parameters; identifiers come from the checked dataset and are quoted.

    SELECT columns, owner AS "<owner>" FROM "db"."schema"."table" AS "<rows>"
    WHERE owner = $owner AND other conditions ORDER BY keys

It may be wrapped in a SELECT that only renames or renders its columns. The owner is always read too, so that whoever
executes the query can verify each row (``scan``, ``checked_queries``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.dataset import Dataset
from analytics_exports.domain.errors import DatasetChanged
from analytics_exports.domain.selection import Selection
from analytics_exports.warehouse.conditions import Condition, filter_conditions, owner_condition
from analytics_exports.warehouse.frames import to_transport
from analytics_exports.warehouse.identifiers import ROWS, column, quote, table_name
from analytics_exports.warehouse.paging import Position, rows_after, sort_keys
from analytics_exports.warehouse.ranges import BLOCK_ROWS, ORDERED, Range

OWNER = "<owner>"
"""The alias of the owner; no column of a checked dataset can have this name."""


@dataclass(frozen=True, slots=True)
class Query:
    """SQL and its parameters, by name.

    Attributes:
        inner: The one SELECT that reads the table, when ``sql`` wraps it.
    """

    sql: str
    params: Mapping[str, object]
    inner: str = ""


class Compiler:
    """The queries for one selection of one owner.

    Attributes:
        relation: The table.
        columns: The columns that are read, in order, with DuckDB's type names.
        keys: The sort keys of the rows.
    """

    def __init__(self, dataset: Dataset, scope: OwnerScope, selection: Selection) -> None:
        """Compile what all queries share.

        Args:
            dataset: With the current types of its columns.
            selection: Already checked against ``dataset``.

        Raises:
            DatasetChanged: a column is missing, or its type does not allow its use.
        """
        known = dataset.columns_by_name()
        names = selection.columns or tuple(known)
        if not known.keys() >= {*names, dataset.owner_column}:
            raise DatasetChanged
        types = {name: column.parsed_type for name, column in known.items()}
        self.relation = dataset.relation
        self.columns = tuple(known[name] for name in names)
        self.keys = sort_keys(dataset, types, names)
        self._hashed = dataset.filters.date_column is None and not dataset.unique_key
        self._types = {name: types[name] for name in names}
        self._owner_column = dataset.owner_column
        self._owner = f"{to_transport(column(dataset.owner_column), types[dataset.owner_column])} AS {quote(OWNER)}"
        self._table = f"{table_name(dataset.relation)} AS {quote(ROWS)}"
        self._where = (owner_condition(dataset, types, scope), *filter_conditions(dataset, types, selection))

    def rows(self) -> Query:
        """All rows in their order, as represented in frames, and the owner.

        An owner column that is read anyway gets its alias in the wrapping SELECT, so that it is not sorted twice.
        """
        return self._rows()

    def rows_within(self, range: Range) -> Query:
        """The rows whose first sort key is in ``range``."""
        key = self.keys[0]
        bounds = {
            f"{key.sql} >= CAST($range_begin AS {key.type.name})": ("range_begin", range.begin),
            f"{key.sql} < CAST($range_end AS {key.type.name})": ("range_end", range.end),
        }
        given = [Condition(sql, {name: text}) for sql, (name, text) in bounds.items() if text is not None]
        return self._rows(*(given or [Condition(f"{key.sql} IS NULL")]))

    def extents(self) -> Query | None:
        """The owner and the fields of ``ranges.Extent`` for each block; ``None`` when the key cannot bound a range."""
        if self.keys[0].type.kind not in ORDERED or self._hashed:
            return None
        key = self.keys[0].sql
        query = self._select(
            [
                self._owner,
                f"rowid // {BLOCK_ROWS} AS block",
                "count(*) AS rows",
                f"min({key}) AS low",
                f"max({key}) AS high",
                f"count(*) - count({key}) AS nulls",
            ],
            "GROUP BY ALL",
        )
        follows = "coalesce(low >= lag(high) OVER (ORDER BY block), true)"
        named = f"SELECT {quote(OWNER)}, block, rows, CAST(low AS VARCHAR), nulls, {follows}"
        return replace(query, sql=f"{named} FROM ({query.sql}) AS blocks")

    def _rows(self, *more: Condition) -> Query:
        columns = [f"{to_transport(column(name), of)} AS {quote(name)}" for name, of in self._types.items()]
        if self._owner_column not in self._types:
            return self._select([*columns, self._owner], self._ordered(), *more)
        query = self._select(columns, self._ordered(), *more)
        owner = f"{quote(self._owner_column)} AS {quote(OWNER)}"
        return _wrap(query, f"*, {owner}")

    def page(self, limit: int, offset: int, position: Position | None) -> Query:
        """Some rows in order, as represented in frames: the owner, the columns, and the sort values as text.

        Conversion happens in the wrapping SELECT, on ``limit`` rows only.
        """
        keys = dict(zip(self.key_names, (key.sql for key in self.keys), strict=True))
        columns = (*map(column, self._types), self._owner, *(f"{sql} AS {quote(name)}" for name, sql in keys.items()))
        begin = (rows_after(position, self.keys),) if position else ()
        skipped = offset + (position.rows_taken if position else 0)
        query = self._select(columns, f"{self._ordered()} LIMIT {limit:d} OFFSET {skipped:d}", *begin)
        cells = [f"{to_transport(quote(name), of)} AS {quote(name)}" for name, of in self._types.items()]
        texts = [f"CAST({quote(name)} AS VARCHAR) AS {quote(name)}" for name in keys]
        return _wrap(query, ", ".join([quote(OWNER), *cells, *texts]))

    @property
    def key_names(self) -> Sequence[str]:
        """The names of the sort values in the result of ``page``."""
        return [f"<key {number}>" for number in range(len(self.keys))]

    def count(self) -> Query:
        """The owner and the number of rows; no result when there are none."""
        return self._select([self._owner, "count(*)"], "GROUP BY ALL")

    def sizes(self, limit: int) -> Query:
        """The owner and the size in bytes, as text with separators, of ``limit`` of the rows."""
        cells = (f"coalesce(strlen(CAST({column(name)} AS VARCHAR)), 0) + 1" for name in self._types)
        return self._select([self._owner, " + ".join(cells)], f"LIMIT {limit:d}")

    def _ordered(self) -> str:
        return f"ORDER BY {', '.join(f'{key.sql} NULLS LAST' for key in self.keys)}"

    def _select(self, projection: Sequence[str], tail: str, *more: Condition) -> Query:
        where = (*self._where, *more)
        conditions = " AND ".join(condition.sql for condition in where)
        sql = f"SELECT {', '.join(projection)} FROM {self._table} WHERE {conditions} {tail}"  # noqa: S608 - see above
        return Query(sql, {name: value for condition in where for name, value in condition.params.items()})


def _wrap(query: Query, projection: str) -> Query:
    """``query`` wrapped in a SELECT with this projection."""
    return replace(query, sql=f"SELECT {projection} FROM ({query.sql}) AS found", inner=query.sql)  # noqa: S608 - see above
