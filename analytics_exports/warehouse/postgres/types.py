"""PostgreSQL's types by the names of DuckDB types with exactly the same values; all others are text."""

import re
from collections.abc import Sequence

import pyarrow as pa
from psycopg import Column as Described
from psycopg.adapt import AdaptersMap

_SAME = {
    "boolean": "BOOLEAN",
    "smallint": "SMALLINT",
    "integer": "INTEGER",
    "bigint": "BIGINT",
    "real": "FLOAT",
    "double precision": "DOUBLE",
    "uuid": "UUID",
    "date": "DATE",
    "timestamp without time zone": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMP WITH TIME ZONE",
    "bytea": "BLOB",
    "json": "JSON",
    "jsonb": "JSON",
}
_NUMERIC = re.compile(r"numeric\((\d+),(\d+)\)")
_PRECISE = re.compile(r"(timestamp)\(\d\)")
_MAX_DIGITS = 38

_ARROW = {
    "bool": pa.bool_(),
    "int2": pa.int16(),
    "int4": pa.int32(),
    "int8": pa.int64(),
    "float4": pa.float32(),
    "float8": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "bytea": pa.binary(),
}


def duckdb_name(formatted: str) -> str:
    """DuckDB's name for the type that PostgreSQL's ``format_type`` calls ``formatted``."""
    element = formatted.removesuffix("[]")
    return _scalar(element) + ("[]" if element != formatted and _is_native(element) else "")


def arrow_schema(described: Sequence[Described], adapters: AdaptersMap) -> pa.Schema:
    """The schema of a result."""
    return pa.schema([(column.name, _arrow(column, adapters)) for column in described])


def _scalar(formatted: str) -> str:
    number = _NUMERIC.fullmatch(formatted)
    if number and int(number[2]) <= int(number[1]) <= _MAX_DIGITS:
        return f"DECIMAL({number[1]},{number[2]})"
    return _SAME.get(_PRECISE.sub(r"\1", formatted), "VARCHAR")


def _is_native(formatted: str) -> bool:
    return (
        _scalar(formatted) not in {"VARCHAR", "JSON"}
        or formatted == "text"
        or formatted.startswith("character varying")
    )


def _arrow(column: Described, adapters: AdaptersMap) -> pa.DataType:
    known = adapters.types.get(column.type_code)
    if known is None:
        return pa.string()
    if known.name == "numeric" and column.precision is not None:
        element: pa.DataType = pa.decimal128(column.precision, column.scale or 0)
    else:
        element = _ARROW.get(known.name, pa.string())
    return pa.list_(element) if known.array_oid == column.type_code else element
