"""The conditions of a query's WHERE: the owner's, and one or two for each filter.

A condition is true, false or NULL for a row, and only true keeps it; so a row with NULL in a column passes no filter on
it. Each is one comparison or call, never an OR. All are exact: text is compared by its bytes whatever the collation of
the column, ids and numbers in the column's own type, so that DuckDB can skip blocks without a match.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.column_type import EXACT, FLOATS, LISTS, NUMBERS, VARCHAR, ColumnType
from analytics_exports.domain.dataset import Dataset
from analytics_exports.domain.errors import DatasetChanged
from analytics_exports.domain.selection import NumericRange, Selection
from analytics_exports.warehouse.identifiers import column
from analytics_exports.warehouse.values import at_least, at_most, parse_id, parse_ids

Types = Mapping[str, ColumnType]

_MIDNIGHTS = {
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamp_s": "TIMESTAMP",
    "timestamp_ms": "TIMESTAMP",
    "timestamp_ns": "TIMESTAMP",
    "timestamp with time zone": "TIMESTAMPTZ",
    "timestamptz_ns": "TIMESTAMPTZ",
}
"""For each type of a date column: the type in which its values are compared with the midnights of days (UTC)."""

_NANOSECONDS = frozenset({"timestamp_ns", "timestamptz_ns"})


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition and its parameters, by name."""

    sql: str
    params: Mapping[str, object] = field(default_factory=dict)


def typed_column(types: Types, name: str | None) -> tuple[str, ColumnType]:
    """SQL for a column, comparing text by its bytes whatever its collation, and the column's type.

    Raises:
        DatasetChanged: there is no such column.
    """
    if name is None or name not in types:
        raise DatasetChanged
    of = types[name]
    return f"{column(name)} COLLATE C" if of.kind == "varchar" else column(name), of


def owner_condition(dataset: Dataset, types: Types, scope: OwnerScope) -> Condition:
    """Restricts the rows to one owner. A key that is not a value of the column's type matches nothing.

    Raises:
        DatasetChanged: the owner column is missing, or its values cannot be compared exactly.
    """
    text, of = typed_column(types, dataset.owner_column)
    if of.kind not in EXACT:
        raise DatasetChanged
    return Condition(f"{text} = CAST($owner AS {of.name})", {"owner": parse_id(scope.owner_key, of)})


def filter_conditions(dataset: Dataset, types: Types, selection: Selection) -> Iterator[Condition]:
    """The conditions of ``selection``. Raises DatasetChanged where a column no longer fits its filter."""
    offers = dataset.filters
    yield from _days(offers.date_column, types, selection)
    if selection.account_ids is not None:
        yield _any_of(offers.account_id_column, types, selection.account_ids, "account_ids")
    if selection.tag_ids is not None:
        yield _any_of(offers.tag_id_column, types, selection.tag_ids, "tag_ids")
    for number, choice in enumerate(selection.enum_filters):
        yield _any_of(choice.name, types, choice.values, f"enum_{number}")
    for number, bounds in enumerate(selection.numeric_filters):
        yield from _between(bounds, types, number)


def _days(name: str | None, types: Types, selection: Selection) -> Iterator[Condition]:
    """Both days inclusive; a timestamp belongs to its day in UTC."""
    if selection.start_date is None and selection.end_date is None:
        return
    text, of = typed_column(types, name)
    midnight = _MIDNIGHTS.get(of.kind)
    if midnight is None:
        raise DatasetChanged
    if of.kind in _NANOSECONDS:  # a midnight can be outside their range
        text = f"CAST({text} AS {midnight})"
    if selection.start_date is not None:
        yield Condition(f"{text} >= CAST($start_date AS {midnight})", {"start_date": selection.start_date})
    if selection.end_date is not None:
        yield Condition(f"{text} < CAST(CAST($end_date AS DATE) + 1 AS {midnight})", {"end_date": selection.end_date})


def _any_of(name: str | None, types: Types, texts: Sequence[str], parameter: str) -> Condition:
    """Rows whose value is one of ``texts``, or whose list contains one of them."""
    text, of = typed_column(types, name)
    has_list = of.kind in LISTS
    element = of.child if has_list else of
    if element.kind not in EXACT:
        element = VARCHAR
        text = f"CAST({text} AS {'VARCHAR[]' if has_list else 'VARCHAR'})"
    wanted = f"CAST(${parameter} AS {element.name}[])"
    sql = f"list_has_any({text}, {wanted})" if has_list else f"{text} = ANY({wanted})"
    return Condition(sql, {parameter: parse_ids(texts, element)})


def _between(bounds: NumericRange, types: Types, number: int) -> Iterator[Condition]:
    text, of = typed_column(types, bounds.name)
    if of.kind not in NUMBERS:
        raise DatasetChanged
    if bounds.minimum is not None:
        low = f"min_{number}"
        yield Condition(f"{text} >= CAST(${low} AS {of.name})", {low: at_least(bounds.minimum, of)})
    if bounds.maximum is not None:
        high = f"max_{number}"
        yield Condition(f"{text} <= CAST(${high} AS {of.name})", {high: at_most(bounds.maximum, of)})
    if of.kind in FLOATS:  # DuckDB orders NaN above all numbers
        yield Condition(f"NOT isnan({text})")
