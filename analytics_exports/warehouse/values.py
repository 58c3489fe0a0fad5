"""Converts a caller's ids and numbers to parameters of a column's own type.

The bare column is compared with a parameter of its type: exactly, and DuckDB can skip blocks of the file without a
match. A value that no cell can equal becomes ``None``, because a NULL parameter matches nothing.
"""

import math
import struct
import sys
from collections.abc import Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from uuid import UUID

from analytics_exports.domain.column_type import FLOATS, INTEGERS, ColumnType

_SIGNED = {"tinyint": 8, "smallint": 16, "integer": 32, "bigint": 64, "hugeint": 128}
_UNSIGNED = {"utinyint": 8, "usmallint": 16, "uinteger": 32, "ubigint": 64, "uhugeint": 128}

INTEGER_LIMITS = {name: (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) for name, bits in _SIGNED.items()} | {
    name: (0, 2**bits - 1) for name, bits in _UNSIGNED.items()
}
"""The smallest and largest value of each integer type."""

FLOAT_LIMITS = {"float": Decimal(struct.unpack("<f", b"\xff\xff\x7f\x7f")[0]), "double": Decimal(sys.float_info.max)}
"""The largest finite value of each floating-point type."""

_ENOUGH_DIGITS = Context(prec=100)
_MAX_INTEGER_LENGTH = 40


def parse_id(text: str, of: ColumnType) -> str | int | None:
    """The value of an exact type written as ``text``; ``None`` when there is none.

    Only the canonical spelling is accepted: ``7`` but not ``07``, a UUID in lower case with hyphens.
    """
    if of.kind == "varchar":
        return text if _is_unicode(text) else None
    if of.kind == "uuid":
        return text if _is_canonical_uuid(text) else None
    low, high = INTEGER_LIMITS[of.kind]
    number = _canonical_integer(text)
    return number if number is not None and low <= number <= high else None


def parse_ids(texts: Sequence[str], of: ColumnType) -> list[str | int]:
    """Those of ``texts`` that are values of an exact type."""
    return [value for value in (parse_id(text, of) for text in texts) if value is not None]


def at_least(bound: Decimal, of: ColumnType) -> Decimal | int | float | None:
    """The smallest value of a numeric type that is not below ``bound``; ``None`` when there is none.

    For floating-point types it is the value nearest to ``bound``.
    """
    low, high = _limits(of)
    if bound > high:
        return math.inf if of.kind in FLOATS else None
    return _fit(max(bound, low), of, ROUND_CEILING)


def at_most(bound: Decimal, of: ColumnType) -> Decimal | int | float | None:
    """The largest value of a numeric type that is not above ``bound``; ``None`` when there is none.

    For floating-point types it is the value nearest to ``bound``.
    """
    low, high = _limits(of)
    if bound < low:
        return -math.inf if of.kind in FLOATS else None
    return _fit(min(bound, high), of, ROUND_FLOOR)


def _limits(of: ColumnType) -> tuple[Decimal, Decimal]:
    if of.kind in INTEGERS:
        low, high = INTEGER_LIMITS[of.kind]
        return Decimal(low), Decimal(high)
    if of.kind in FLOATS:
        return FLOAT_LIMITS[of.kind].copy_negate(), FLOAT_LIMITS[of.kind]
    high = Decimal((0, (9,) * of.precision, -of.scale))
    return high.copy_negate(), high


def _fit(bound: Decimal, of: ColumnType, rounding: str) -> Decimal | int | float:
    if of.kind in INTEGERS:
        return int(bound.to_integral_value(rounding))
    if of.kind == "double":
        return float(bound)
    if of.kind == "float":
        return float(struct.unpack("<f", struct.pack("<f", float(bound)))[0])
    return bound.quantize(Decimal((0, (1,), -of.scale)), rounding, _ENOUGH_DIGITS)


def _is_unicode(text: str) -> bool:
    """Whether it contains no unpaired surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_canonical_uuid(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _canonical_integer(text: str) -> int | None:
    """The number, or ``None``. Text longer than any integer type is not even parsed."""
    if len(text) > _MAX_INTEGER_LENGTH or not text.isascii() or not text.removeprefix("-").isdigit():
        return None
    return int(text) if str(int(text)) == text else None
