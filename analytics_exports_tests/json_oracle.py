"""The rules of ``encoding.json_values`` once more, as SQL that DuckDB renders: what the encoder is compared with."""

import json
from collections.abc import Iterable, Mapping

from analytics_exports.domain.column_type import ColumnType
from analytics_exports.warehouse.identifiers import field, literal, quote

_PLAIN = frozenset({"boolean", "tinyint", "smallint", "integer", "utinyint", "usmallint", "uinteger", "json"})


def row_json_sql(types: Mapping[str, ColumnType]) -> str:
    """SQL for the columns ``types`` of a row as the text of one JSON object, in that order."""
    return _object((name, quote(name), of) for name, of in types.items())


def json_sql(expression: str, of: ColumnType) -> str:
    """SQL for ``expression``, of type ``of``, as JSON text; never NULL."""
    if of.kind in _PLAIN:
        text = _text(expression)
    elif of.kind in _SPECIAL:
        text = _SPECIAL[of.kind](expression, of)
    else:
        text = _string(_text(expression))
    return f"CASE WHEN {expression} IS NULL THEN 'null' ELSE {text} END"


def _text(expression: str) -> str:
    return f"CAST({expression} AS VARCHAR)"


def _string(text: str) -> str:
    """SQL for a JSON string, escaped and quoted."""
    return _text(f"to_json({text})")


def _float(expression: str, _of: ColumnType) -> str:
    infinity = f"""CASE WHEN {expression} > 0 THEN '"Infinity"' ELSE '"-Infinity"' END"""
    special = f"""CASE WHEN isnan({expression}) THEN '"NaN"' ELSE {infinity} END"""
    return f"CASE WHEN isfinite({expression}) THEN {_text(expression)} ELSE {special} END"


def _blob(expression: str, _of: ColumnType) -> str:
    return _string(f"base64({expression})")


def _timestamp(expression: str, _of: ColumnType) -> str:
    return _string(f"replace({_text(expression)}, ' ', 'T')")


def _timestamptz(expression: str, _of: ColumnType) -> str:
    return _string(f"replace(replace({_text(expression)}, ' ', 'T'), '+00', 'Z')")


def _value(expression: str, _of: ColumnType) -> str:
    return _text(f"to_json({expression})")


def _list(expression: str, of: ColumnType) -> str:
    elements = f"list_transform({expression}, lambda e: {json_sql('e', of.child)})"
    return f"concat('[', array_to_string({elements}, ','), ']')"


def _array(expression: str, of: ColumnType) -> str:
    return _list(f"CAST({expression} AS {of.child.name}[])", of)


def _map(expression: str, of: ColumnType) -> str:
    """Keys become names of members, as text."""
    key, value = _string(_text(field("e", "key"))), json_sql(field("e", "value"), dict(of.fields)["value"])
    members = f"list_transform(map_entries({expression}), lambda e: concat({key}, ':', {value}))"
    return f"concat('{{', array_to_string({members}, ','), '}}')"


def _struct(expression: str, of: ColumnType) -> str:
    return _object((name, field(expression, name), inner) for name, inner in of.fields)


def _object(members: Iterable[tuple[str, str, ColumnType]]) -> str:
    """SQL for a JSON object with these names, expressions and types."""
    texts = (f"concat({literal(json.dumps(name) + ':')}, {json_sql(value, of)})" for name, value, of in members)
    return f"concat('{{', concat_ws(',', {', '.join(texts)}), '}}')"


_SPECIAL = {
    "array": _array,
    "blob": _blob,
    "double": _float,
    "float": _float,
    "list": _list,
    "map": _map,
    "struct": _struct,
    "timestamp": _timestamp,
    "timestamp_s": _timestamp,
    "timestamp_ms": _timestamp,
    "timestamp_ns": _timestamp,
    "timestamp with time zone": _timestamptz,
    "timestamptz_ns": _timestamptz,
    "union": _value,
    "variant": _value,
}
