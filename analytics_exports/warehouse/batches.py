"""DuckDB's record batches as Polars frames, without losing values.

Polars cannot represent the time 24:00:00 and would read it as NULL. So times of day are represented by their storage,
the time since midnight, without copying. The representation of all types is defined in ``frames``.
"""

import polars as pl
import pyarrow as pa


def to_frame(batch: pa.RecordBatch) -> pl.DataFrame:
    """``batch`` as a frame; nested columns are converted too."""
    columns = [_times_as_durations(column) for column in batch.columns]
    return pl.DataFrame(pa.RecordBatch.from_arrays(columns, names=batch.schema.names))


def _times_as_durations(column: pa.Array) -> pa.Array:
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
