"""Rows as Arrow tables, for the formats that keep types.

The types are those of the frame, with three exceptions: durations that represent times of day become times again;
128-bit integers are DECIMAL(38, 0); categories are text. A MAP is a list of structs with the fields ``key`` and
``value``.
"""

import json
from collections.abc import Mapping

import polars as pl
import pyarrow as pa

from analytics_exports.artifacts.layout import Field, Layout


class ArrowTables:
    """Converts batches of one layout to tables of one schema."""

    def __init__(self, layout: Layout, *, views: bool = False) -> None:
        """Derive the schema.

        Args:
            views: Whether texts and blobs that are not nested keep the memory layout that they have in Polars
                (``string_view``), so that they are not copied. Not every reader of Arrow files understands it.
        """
        self._cells = [_cell(field) for field in layout.fields]
        self._views = views
        empty = pl.DataFrame(schema=layout.schema).select(self._cells)
        self.schema = pa.schema([_timed(pa.field(column.name, self._array(column).type)) for column in empty])

    def table(self, rows: pl.DataFrame) -> pa.Table:
        """A batch as a table."""
        arrays = [self._array(column) for column in rows.select(self._cells).rechunk()]
        return pa.table(list(map(_as, arrays, self.schema.types)), schema=self.schema)

    def _array(self, column: pl.Series) -> pa.Array:
        views = self._views and not column.dtype.is_nested()
        return column.to_arrow(compat_level=pl.CompatLevel.newest() if views else pl.CompatLevel.oldest())


def _as(column: pa.Array, wanted: pa.DataType) -> pa.Array:
    """The same bits as another type of the same width."""
    return column if column.type == wanted else column.view(wanted)


def metadata(layout: Layout) -> Mapping[str, str]:
    """Key-value metadata for a file: the facts of the export, and the descriptions of its columns."""
    columns = [
        {"name": column.name, "type": column.type, "description": column.description}
        for column in (field.column for field in layout.fields)
    ]
    facts = {f"export.{name}": value for name, value in layout.facts.items()}
    return {**facts, "export.columns": json.dumps(columns, ensure_ascii=False)}


def _cell(field: Field) -> pl.Expr:
    if field.dtype in (pl.Int128, pl.UInt128):
        return pl.col(field.name).cast(pl.Decimal(38, 0))
    if isinstance(field.dtype, pl.Categorical | pl.Enum):
        return pl.col(field.name).cast(pl.String)
    return pl.col(field.name)


def _timed(field: pa.Field) -> pa.Field:
    return field.with_type(_time_of_day(field.type))


def _time_of_day(known: pa.DataType) -> pa.DataType:
    """The type ``known`` with times of day in place of durations."""
    if pa.types.is_duration(known):
        return pa.time64(known.unit)
    if pa.types.is_large_list(known):
        return pa.large_list(_timed(known.value_field))
    if pa.types.is_struct(known):
        return pa.struct([_timed(field) for field in known])
    return known
