"""The order of rows, and cursors: the position after which the next page begins.

The order is total: the date column, then the unique key; a dataset without one is ordered by a hash of the columns
read, so that rows with equal sort values are equal in all of them. NULLs come last.

A cursor contains the sort values of the last row of a page, and how many rows with these values were already returned,
so it is correct even between equal rows, and a deep page costs no more than the first. It is valid only for the
dataset, owner and selection it was made for, and contains nothing but values of the owner's own row.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.column_type import ColumnType, parse_type
from analytics_exports.domain.dataset import Dataset
from analytics_exports.domain.errors import FieldProblem, InvalidRequest
from analytics_exports.domain.selection import Selection
from analytics_exports.warehouse.conditions import Condition, Types, typed_column
from analytics_exports.warehouse.identifiers import column

SortValues = tuple[str | None, ...]
"""The sort values of a row, as text; ``None`` for NULL."""

_MAX_ROWS_TAKEN = 2**40


@dataclass(frozen=True, slots=True)
class SortKey:
    """An expression by which rows are sorted, and its type."""

    sql: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class Position:
    """The position after ``rows_taken`` rows with these sort values, and all rows before them."""

    sort_values: SortValues
    rows_taken: int


def sort_keys(dataset: Dataset, types: Types, names: Sequence[str]) -> tuple[SortKey, ...]:
    """The sort keys when the columns ``names`` are read."""
    named = dict.fromkeys(name for name in (dataset.filters.date_column, *dataset.unique_key) if name is not None)
    keys = tuple(SortKey(*typed_column(types, name)) for name in named)
    if dataset.unique_key:
        return keys
    return (*keys, SortKey(f"hash({', '.join(map(column, names))})", parse_type("UBIGINT")))


def rows_after(position: Position, keys: Sequence[SortKey]) -> Condition:
    """The rows from ``position.sort_values`` on; ``position.rows_taken`` of them are still to be skipped."""
    params = {f"after_{number}": text for number, text in enumerate(position.sort_values) if text is not None}
    return Condition(_from(position.sort_values, keys, 0), params)


def _from(place: SortValues, keys: Sequence[SortKey], number: int) -> str:
    """The rows whose sort values are equal or later, by the keys from ``number`` on."""
    if number == len(keys):
        return "true"
    sql, rest = keys[number].sql, _from(place, keys, number + 1)
    if place[number] is None:
        return f"({sql} IS NULL AND {rest})"
    value = f"TRY_CAST($after_{number} AS {keys[number].type.name})"
    return f"({sql} > {value} OR {sql} IS NULL OR ({sql} = {value} AND {rest}))"


def request_digest(dataset: Dataset, scope: OwnerScope, selection: Selection) -> str:
    """Binds a cursor to the request it was made for."""
    request = repr((dataset.id, dataset.filters.date_column, dataset.unique_key, scope, selection))
    return hashlib.sha256(request.encode()).hexdigest()[:16]


def encode(position: Position, bound_to: str) -> str:
    """``position`` as an opaque text for URLs."""
    text = json.dumps([bound_to, position.rows_taken, *position.sort_values], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, bound_to: str, keys: int) -> Position:
    """The position in ``cursor``, for so many sort ``keys``.

    Raises:
        InvalidRequest: it is malformed, or was made for another request.
    """
    try:
        bound, given, *place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        texts = tuple(text if text is None else str(text).encode().decode() for text in place)
    except (ValueError, TypeError, RecursionError):
        raise _not_a_cursor() from None
    if bound != bound_to or type(given) is not int or not 0 < given <= _MAX_ROWS_TAKEN or len(texts) != keys:
        raise _not_a_cursor()
    return Position(texts, given)


def position_after(places: Sequence[SortValues], position: Position | None) -> Position:
    """The position after a page of rows with these sort values that began after ``position``."""
    last = places[-1]
    given = next((number for number, place in enumerate(reversed(places)) if place != last), len(places))
    if position is not None and position.sort_values == last and given == len(places):
        given += position.rows_taken
    return Position(last, given)


def _not_a_cursor() -> InvalidRequest:
    return InvalidRequest(FieldProblem("/cursor", "This is not a cursor of the same request; begin without one."))
