"""How each type is represented in JSON without loss: in NDJSON, in pages of the query API, in cells with nested values.

The rules are those of I-JSON (RFC 7493) and of the JSON mapping of protocol buffers. The JSON type of a column depends
on its type only, never on the value:

- booleans and integers up to 32 bits are JSON booleans and numbers;
- longer integers and DECIMAL are strings, because many parsers read JSON numbers as 64-bit floats;
- floats are numbers with as many digits as are needed to read them back unchanged; those that are not finite are the
  strings ``"NaN"``, ``"Infinity"`` and ``"-Infinity"``;
- DATE, TIME and TIMESTAMP are ISO 8601 strings, TIMESTAMPTZ in UTC with ``Z``;
- BLOB is a string in Base64; JSON, UNION and VARIANT are their JSON values;
- lists and arrays are arrays, structs and MAP are objects, with the same rules inside; other types are strings.

Polars encodes values itself where its rules are the same (``_plain``); the rest is concatenated from fragments.
"""

import json
from collections.abc import Sequence
from dataclasses import replace

import polars as pl
from polars.datatypes import DataTypeClass

from analytics_exports.domain.column_type import UNKNOWN, ColumnType
from analytics_exports.encoding.times import ISO, TEMPORAL, TimeStyle

Member = tuple[str, pl.Expr, pl.DataType, ColumnType]
"""A member of an object: its name, its value, and the value's types."""

RAW = frozenset({"json", "union", "variant"})
"""Kinds whose text is already JSON."""

_SAME = (pl.Boolean, pl.Int8, pl.Int16, pl.Int32, pl.UInt8, pl.UInt16, pl.UInt32, pl.String, pl.Null)


def to_json(value: pl.Expr, dtype: pl.DataType, of: ColumnType = UNKNOWN, style: TimeStyle = ISO) -> pl.Expr:
    """``value`` as JSON text; never NULL."""
    plain = _plain(value, dtype, of, style)
    if plain is not None:
        return _encoded([plain.alias("v")]).str.strip_prefix('"v":')
    return _fragment(value, dtype, of, style).fill_null("null")


def to_object(members: Sequence[Member], style: TimeStyle = ISO) -> pl.Expr:
    """A JSON object of these members, in this order. Neighbours that Polars can encode are encoded together."""
    pieces: list[pl.Expr] = []
    together: list[pl.Expr] = []
    for name, value, dtype, of in members:
        plain = _plain(value, dtype, of, style)
        if plain is not None:
            together.append(plain.alias(name))
            continue
        if together:
            pieces.append(_encoded(together))
            together = []
        pieces.append(pl.lit(f"{json.dumps(name, ensure_ascii=False)}:") + to_json(value, dtype, of, style))
    if together:
        pieces.append(_encoded(together))
    return _enclosed("{", pl.concat_str(pieces, separator=",") if pieces else pl.lit(""), "}")


def _encoded(members: Sequence[pl.Expr]) -> pl.Expr:
    """Polars' encoding of an object of these members, without the braces."""
    return pl.struct(members).struct.json_encode().str.strip_prefix("{").str.strip_suffix("}")


def _plain(value: pl.Expr, dtype: pl.DataType, of: ColumnType, style: TimeStyle) -> pl.Expr | None:
    """``value`` in a form that Polars encodes by the rules above; ``None`` when there is none."""
    if isinstance(dtype, pl.List):
        return _plain_list(value, dtype, of, style)
    if isinstance(dtype, pl.Struct):
        return _plain_struct(value, dtype, of, style)
    return None if of.kind in RAW or dtype.is_float() else _scalar(value, dtype, style)


def _scalar(value: pl.Expr, dtype: pl.DataType, style: TimeStyle) -> pl.Expr:
    if dtype in _SAME:
        return value
    if isinstance(dtype, pl.Binary):
        return value.bin.encode("base64")
    if isinstance(dtype, TEMPORAL):
        return style.text(value, dtype)
    return value.cast(pl.String)


def _plain_list(value: pl.Expr, dtype: pl.List, of: ColumnType, style: TimeStyle) -> pl.Expr | None:
    inner = concrete(dtype.inner)
    plain = None if of.kind == "map" else _plain(pl.element(), inner, of.inner(0), style)
    if plain is None:
        return None
    return value if inner in _SAME else value.list.eval(plain)


def _plain_struct(value: pl.Expr, dtype: pl.Struct, of: ColumnType, style: TimeStyle) -> pl.Expr | None:
    fields: list[pl.Expr] = []
    for name, inner, inner_dtype, within in _members(value, dtype, of):
        plain = _plain(inner, inner_dtype, within, style)
        if plain is None:
            return None
        fields.append(plain.alias(name))
    return pl.when(value.is_not_null()).then(pl.struct(fields))


def _fragment(value: pl.Expr, dtype: pl.DataType, of: ColumnType, style: TimeStyle) -> pl.Expr:
    """JSON text of a value that Polars does not encode by the rules above."""
    if isinstance(dtype, pl.List):
        inner = concrete(dtype.inner)
        if of.kind == "map" and isinstance(inner, pl.Struct):
            return _enclosed("{", value.list.eval(_entry(inner, of, style)).list.join(","), "}")
        return _enclosed("[", value.list.eval(to_json(pl.element(), inner, of.inner(0), style)).list.join(","), "]")
    if isinstance(dtype, pl.Struct):
        return pl.when(value.is_not_null()).then(to_object(_members(value, dtype, of), style))
    if dtype.is_float():
        return pl.when(value.is_finite()).then(value.cast(pl.String)).otherwise(_enclosed('"', _not_finite(value), '"'))
    return value


def _not_finite(value: pl.Expr) -> pl.Expr:
    nan = pl.when(value.is_nan()).then(pl.lit("NaN"))
    return nan.when(value > 0).then(pl.lit("Infinity")).when(value < 0).then(pl.lit("-Infinity"))


def _entry(dtype: pl.Struct, of: ColumnType, style: TimeStyle) -> pl.Expr:
    """A member of the object that represents a map."""
    (_, key, key_type, key_kind), (_, value, value_type, value_kind) = _members(
        pl.element(), dtype, replace(of, kind="struct")
    )
    name = to_json(_key(key, key_type, key_kind, style), pl.String())
    return pl.concat_str([name, pl.lit(":"), to_json(value, value_type, value_kind, style)])


def _key(value: pl.Expr, dtype: pl.DataType, of: ColumnType, style: TimeStyle) -> pl.Expr:
    """A key of a map as text."""
    if dtype.is_nested():
        return to_json(value, dtype, of, style)
    if dtype.is_float():
        return pl.when(value.is_finite()).then(value.cast(pl.String)).otherwise(_not_finite(value))
    return _scalar(value, dtype, style).cast(pl.String)


def _members(value: pl.Expr, dtype: pl.Struct, of: ColumnType) -> list[Member]:
    return [
        (field.name, value.struct.field(field.name), concrete(field.dtype), of.inner(number))
        for number, field in enumerate(dtype.fields)
    ]


def _enclosed(opened: str, text: pl.Expr, closed: str) -> pl.Expr:
    return pl.concat_str([pl.lit(opened), text, pl.lit(closed)])


def concrete(dtype: pl.DataType | DataTypeClass) -> pl.DataType:
    """An instance of a data type that may be given as a class."""
    return dtype if isinstance(dtype, pl.DataType) else dtype()


def contains_times(dtype: pl.DataType) -> bool:
    """Whether a type is one of dates or times, or has some inside."""
    if isinstance(dtype, pl.Struct):
        return any(contains_times(concrete(field.dtype)) for field in dtype.fields)
    if isinstance(dtype, pl.List | pl.Array):
        return contains_times(concrete(dtype.inner))
    return isinstance(dtype, TEMPORAL)
