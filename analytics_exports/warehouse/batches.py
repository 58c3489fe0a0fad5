"""DuckDB's record batches as Polars frames, without losing a value on the way.

Polars has no name for the time 24:00:00 and would take it for NULL. So times of day arrive as what they are stored as,
the time since midnight; no number is copied for it. Which types travel how is written down in ``frames``.
"""

import polars as pl
import pyarrow as pa


def to_frame(batch: pa.RecordBatch) -> pl.DataFrame:
    """``batch`` as a frame; inside nested columns too."""
    columns = [_kept(column) for column in batch.columns]
    return pl.DataFrame(pa.RecordBatch.from_arrays(columns, names=batch.schema.names))


def _kept(column: pa.Array) -> pa.Array:
    wanted = _since_midnight(column.type)
    return column if wanted == column.type else column.view(wanted)


def _since_midnight(known: pa.DataType) -> pa.DataType:
    """The type ``known`` with durations in place of times of day."""
    if pa.types.is_time(known):
        return pa.duration(known.unit)
    if pa.types.is_list(known):
        return pa.list_(_field(known.value_field))
    if pa.types.is_struct(known):
        return pa.struct([_field(field) for field in known])
    return known


def _field(field: pa.Field) -> pa.Field:
    return field.with_type(_since_midnight(field.type))
