"""Rows as Arrow tables, for the formats that keep types.

The types are those of the frame, with three exceptions: TIME has microseconds, as in DuckDB; 128-bit integers are
DECIMAL(38, 0); categories are text. A MAP is a list of structs with the fields ``key`` and ``value``.
"""

import json
from collections.abc import Mapping

import polars as pl
import pyarrow as pa

from analytics_exports.artifacts.layout import Field, Layout


class ArrowTables:
    """Turns batches of one layout into tables of one schema."""

    def __init__(self, layout: Layout) -> None:
        """Work out the schema."""
        self._cells = [_cell(field) for field in layout.fields]
        empty = pl.DataFrame(schema=layout.schema).select(self._cells).to_arrow()
        nanoseconds = {field.name for field in layout.fields if field.kind.name == "time_ns"}
        self.schema = pa.schema(
            [_microseconds(item) if item.name not in nanoseconds else item for item in empty.schema]
        )

    def table(self, rows: pl.DataFrame) -> pa.Table:
        """A batch as a table."""
        return rows.select(self._cells).rechunk().to_arrow().cast(self.schema)


def metadata(layout: Layout) -> Mapping[str, str]:
    """The facts of the export, and what is known of its columns, for a format's key-value metadata."""
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


def _microseconds(item: pa.Field) -> pa.Field:
    return item.with_type(pa.time64("us")) if item.type == pa.time64("ns") else item
