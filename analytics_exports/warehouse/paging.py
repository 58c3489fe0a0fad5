"""Pages of rows: their order, and the position after which the next page begins.

The order is total over what is read: the date column, then the unique key; a dataset without one is ordered by a hash
of the columns read, so that rows which tie are equal in all of them. NULLs come last.

A cursor names the last row of a page by its place in that order and says how many rows of that place were already
given, so it finds its way even between equal rows, and a deep page costs no more than the first. It fits only the
dataset, owner and selection it was made for. It holds nothing but values of its owner's own row.
"""

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.dataset import Dataset
from analytics_exports.domain.errors import FieldProblem, InvalidRequest
from analytics_exports.domain.selection import Selection
from analytics_exports.warehouse.conditions import Condition, Types, cell
from analytics_exports.warehouse.identifiers import column

Place = tuple[str | None, ...]
"""Where a row stands in the order: the text of each key, ``None`` for NULL."""

_MOST_GIVEN = 2**40


@dataclass(frozen=True, slots=True)
class Key:
    """One expression that rows are ordered by, and its type as SQL spells it."""

    sql: str
    type: str


@dataclass(frozen=True, slots=True)
class Position:
    """After ``given`` rows of ``place``, and all rows before them."""

    place: Place
    given: int


def order(dataset: Dataset, types: Types, names: Sequence[str]) -> tuple[Key, ...]:
    """The keys that put rows in order when the columns ``names`` are read."""
    named = dict.fromkeys(name for name in (dataset.filters.date_column, *dataset.unique_key) if name is not None)
    cells = (cell(types, name) for name in named)
    keys = tuple(Key(sql, of.name) for sql, of in cells)
    return keys if dataset.unique_key else (*keys, Key(f"hash({', '.join(map(column, names))})", "UBIGINT"))


def after(position: Position, keys: Sequence[Key]) -> Condition:
    """The rows from ``position.place`` on; ``position.given`` of them are still to be skipped."""
    params = {f"after_{number}": text for number, text in enumerate(position.place) if text is not None}
    return Condition(_from(position.place, keys, 0), params)


def _from(place: Place, keys: Sequence[Key], number: int) -> str:
    """Rows that stand at ``place`` or later, by the keys from ``number`` on."""
    if number == len(keys):
        return "true"
    sql, rest = keys[number].sql, _from(place, keys, number + 1)
    if place[number] is None:
        return f"({sql} IS NULL AND {rest})"
    value = f"TRY_CAST($after_{number} AS {keys[number].type})"
    return f"({sql} > {value} OR {sql} IS NULL OR ({sql} = {value} AND {rest}))"


def binding(dataset: Dataset, scope: OwnerScope, selection: Selection) -> str:
    """What ties a cursor to the request it was made for."""
    request = repr((dataset.id, dataset.filters.date_column, dataset.unique_key, scope, selection))
    return hashlib.sha256(request.encode()).hexdigest()[:16]


def encode(position: Position, bound_to: str) -> str:
    """``position`` as an opaque text that can stand in a URL."""
    text = json.dumps([bound_to, position.given, *position.place], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def decode(cursor: str, bound_to: str, keys: int) -> Position:
    """The position that ``cursor`` stands for, in an order of so many ``keys``.

    Raises:
        InvalidRequest: it is no cursor, or one of another request.
    """
    try:
        bound, given, *place = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        texts = tuple(text if text is None else str(text).encode().decode() for text in place)
    except (ValueError, TypeError, RecursionError):
        raise _not_a_cursor() from None
    if bound != bound_to or type(given) is not int or not 0 < given <= _MOST_GIVEN or len(texts) != keys:
        raise _not_a_cursor()
    return Position(texts, given)


def following(places: Sequence[Place], position: Position | None) -> Position:
    """The position after a page of rows that stand at ``places`` and that began after ``position``."""
    last = places[-1]
    given = next((number for number, place in enumerate(reversed(places)) if place != last), len(places))
    if position is not None and position.place == last and given == len(places):
        given += position.given
    return Position(last, given)


def _not_a_cursor() -> InvalidRequest:
    return InvalidRequest(FieldProblem("/cursor", "This is not a cursor of the same request; begin without one."))
