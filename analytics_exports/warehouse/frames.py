"""How each DuckDB type is represented in a Polars frame: the convention between the warehouse and the writers of files.

A scan's frame contains

- booleans, integers up to 64 bits, floats, DECIMAL, text, BLOB, DATE, TIMESTAMP and TIMESTAMPTZ (always UTC) as the
  Polars type with the same meaning, each in its own precision (seconds as milliseconds);
- TIME as Duration since midnight, because Polars' own Time ends before 24:00:00;
- HUGEINT as Decimal(38, 0), unchanged also with 39 digits;
- UUID, ENUM and JSON as text; JSON text is a JSON value, unchanged;
- INTERVAL, BIT, TIMETZ, UHUGEINT, BIGNUM, GEOMETRY and types that DuckDB may add later as text in DuckDB's spelling;
- UNION and VARIANT as JSON text;
- lists and arrays as List, structs as Struct, MAP as List of Struct with the fields ``key`` and ``value``, and the same
  rules inside them.

DuckDB has infinite dates and timestamps, which Polars can store but not format. Writers that format dates have to
handle them.

``Scan.columns`` keeps DuckDB's own type names. Formatting values as text is done by the writers, and as JSON by
``encoding.json_values``.
"""

import polars as pl
import pyarrow as pa

from analytics_exports.domain.column_type import ColumnType
from analytics_exports.warehouse.identifiers import field, quote

_FAITHFUL = frozenset(
    {
        *("boolean", "tinyint", "smallint", "integer", "bigint", "utinyint", "usmallint", "uinteger", "ubigint"),
        *("hugeint", "float", "double", "decimal", "varchar", "uuid", "blob", "date", "time", "time_ns"),
        *("timestamp", "timestamp_ms", "timestamp_ns", "timestamp with time zone", "timestamptz_ns"),
    }
)
_AS_JSON = frozenset({"union", "variant"})


def to_transport(expression: str, of: ColumnType) -> str:
    """SQL that converts ``expression``, of type ``of``, to its representation; unchanged if it is that already."""
    if of.kind in _FAITHFUL:
        return expression
    if of.kind == "timestamp_s":  # Arrow's seconds cannot represent infinity
        return f"CAST({expression} AS TIMESTAMP_MS)"
    if of.kind in _NESTED:
        return _NESTED[of.kind](expression, of)
    text = f"to_json({expression})" if of.kind in _AS_JSON else expression
    return f"CAST({text} AS VARCHAR)"


def _list(expression: str, of: ColumnType) -> str:
    carried = to_transport("e", of.child)
    return expression if carried == "e" else f"list_transform({expression}, lambda e: {carried})"


def _array(expression: str, of: ColumnType) -> str:
    return _list(f"CAST({expression} AS {of.child.name}[])", of)


def _map(expression: str, of: ColumnType) -> str:
    return f"list_transform(map_entries({expression}), lambda e: {_pack('e', of)})"


def _struct(expression: str, of: ColumnType) -> str:
    if all(to_transport("f", inner) == "f" for _, inner in of.fields):
        return expression
    return f"CASE WHEN {expression} IS NOT NULL THEN {_pack(expression, of)} END"


def _pack(expression: str, of: ColumnType) -> str:
    fields = (f"{quote(name)} := {to_transport(field(expression, name), inner)}" for name, inner in of.fields)
    return f"struct_pack({', '.join(fields)})"


_NESTED = {"array": _array, "list": _list, "map": _map, "struct": _struct}


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
