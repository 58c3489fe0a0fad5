"""Ids and bounds as parameters of a column's type: exact, and never an error, whatever a caller sends."""

import math
import sys
from decimal import Decimal
from uuid import UUID

from hypothesis import example, given
from hypothesis import strategies as st

from analytics_exports.domain.column_type import FLOATS, INTEGERS, ColumnType, parse_type
from analytics_exports.warehouse.values import FLOAT_LIMITS, INTEGER_LIMITS, at_least, at_most, parse_id, parse_ids

SMALL = [Decimal(number) for number in range(-128, 128)]
TINY_DECIMAL = parse_type("DECIMAL(3,1)")
TENTHS = [Decimal(number) / 10 for number in range(-999, 1000)]

bounds = st.decimals(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [
        Decimal("1E+999999"),
        Decimal("-1E+999999"),
        Decimal("1E-999999"),
        Decimal("-1E-999999"),
        Decimal("0." + "3" * 500),
    ]
)
near_bounds = st.decimals(-150, 150, places=3)


@given(bound=bounds | near_bounds)
@example(bound=Decimal("127.5"))
@example(bound=Decimal("-128.5"))
def test_bounds_of_integers_let_the_same_values_pass(bound: Decimal) -> None:
    low, high = at_least(bound, parse_type("TINYINT")), at_most(bound, parse_type("TINYINT"))

    assert [value for value in SMALL if low is not None and value >= low] == [item for item in SMALL if item >= bound]
    assert [value for value in SMALL if high is not None and value <= high] == [item for item in SMALL if item <= bound]


@given(bound=bounds | near_bounds)
@example(bound=Decimal("99.95"))
def test_bounds_of_decimals_let_the_same_values_pass(bound: Decimal) -> None:
    low, high = at_least(bound, TINY_DECIMAL), at_most(bound, TINY_DECIMAL)

    assert [value for value in TENTHS if low is not None and value >= low] == [item for item in TENTHS if item >= bound]
    assert [value for value in TENTHS if high is not None and value <= high] == [
        item for item in TENTHS if item <= bound
    ]


@given(bound=bounds, name=st.sampled_from([*sorted(INTEGERS), "float", "double", "decimal(38,0)", "decimal(38,38)"]))
def test_a_bound_is_always_a_value_of_the_type_or_nothing(bound: Decimal, name: str) -> None:
    of = parse_type(name)
    for value in (at_least(bound, of), at_most(bound, of)):
        assert value is None or fits(value, of)


def fits(value: Decimal | int | float, of: ColumnType) -> bool:
    """Whether a column of this type can hold the value."""
    if of.kind in INTEGERS:
        return isinstance(value, int) and INTEGER_LIMITS[of.kind][0] <= value <= INTEGER_LIMITS[of.kind][1]
    if of.kind in FLOATS:
        return isinstance(value, float) and (math.isinf(value) or abs(value) <= FLOAT_LIMITS[of.kind])
    assert isinstance(value, Decimal)
    return value.as_tuple().exponent == -of.scale and len(value.as_tuple().digits) <= of.precision


def test_a_bound_beyond_all_floats_is_still_below_infinity() -> None:
    double = parse_type("DOUBLE")

    assert at_least(Decimal("1E+400"), double) == math.inf
    assert at_most(Decimal("1E+400"), double) == sys.float_info.max
    assert at_most(Decimal("-1E+400"), double) == -math.inf
    assert at_least(Decimal("-1E+400"), double) == -sys.float_info.max


@given(number=st.integers())
def test_an_integer_is_itself_within_the_range_of_its_type(number: int) -> None:
    low, high = INTEGER_LIMITS["bigint"]

    assert parse_id(str(number), parse_type("BIGINT")) == (number if low <= number <= high else None)


@given(text=st.text() | st.from_regex(r"[+-]?[0 ]*[0-9_]{1,50}(\.0)?", fullmatch=True))
def test_any_other_spelling_of_an_integer_is_none(text: str) -> None:
    found = parse_id(text, parse_type("HUGEINT"))

    assert found is None or str(found) == text


@given(value=st.uuids())
def test_a_uuid_has_one_spelling(value: UUID) -> None:
    spellings = [str(value), str(value).upper(), value.hex, f"{{{value}}}", value.urn, f" {value}"]

    assert parse_id(str(value), parse_type("UUID")) == str(value)
    assert parse_ids([text for text in spellings if text != str(value)], parse_type("UUID")) == []


@given(text=st.text())
def test_text_is_left_alone(text: str) -> None:
    assert parse_id(text, parse_type("VARCHAR")) == text


def test_half_a_character_is_in_no_text() -> None:
    assert parse_id("\ud800", parse_type("VARCHAR")) is None
