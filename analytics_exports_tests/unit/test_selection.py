"""Validation of selections: nothing wrong passes, and nothing right is changed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_exports.domain.dataset import FilterSet
from analytics_exports.domain.errors import FieldProblem, InvalidRequest
from analytics_exports.domain.selection import EnumChoice, NumericRange, Selection, check_selection
from analytics_exports_tests import factories

DATASET = factories.dataset()
BARE = factories.dataset(filters=FilterSet())
NAMES = tuple(column.name for column in DATASET.columns)
STATUSES = DATASET.filters.enum_filters[0].options


def pointers(selection: Selection, dataset: Any = DATASET) -> list[str]:
    """The fields that are found wrong, in the order in which they are named."""
    with pytest.raises(InvalidRequest) as refusal:
        check_selection(selection, dataset)
    return [problem.pointer for problem in refusal.value.problems]


def any_case(name: str) -> st.SearchStrategy[str]:
    """``name`` with any of its letters in capitals."""
    return st.tuples(*[st.sampled_from((letter.lower(), letter.upper())) for letter in name]).map("".join)


def subsets(names: Sequence[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), unique=True)


bounds = st.decimals(allow_nan=False, allow_infinity=False)
ranges = st.tuples(bounds, bounds).map(sorted)
good_ranges = st.one_of(
    ranges.map(lambda pair: NumericRange("amount", *pair)),
    bounds.map(lambda low: NumericRange("amount", low)),
    bounds.map(lambda high: NumericRange("amount", None, high)),
)
good = st.builds(
    Selection,
    start_date=st.none() | st.dates(max_value=date(2024, 1, 1)),
    end_date=st.none() | st.dates(min_value=date(2024, 1, 1)),
    account_ids=st.none() | st.lists(st.text()).map(tuple),
    tag_ids=st.none() | st.lists(st.text()).map(tuple),
    enum_filters=st.just(()) | subsets(STATUSES).map(lambda some: (EnumChoice("status", tuple(some)),)),
    numeric_filters=st.just(()) | good_ranges.map(lambda bounds: (bounds,)),
    columns=st.none() | st.lists(st.sampled_from(NAMES), unique=True, min_size=1).map(tuple),
)
any_names = st.text() | st.sampled_from(NAMES).flatmap(any_case)
anything = st.builds(
    Selection,
    start_date=st.none() | st.dates(),
    end_date=st.none() | st.dates(),
    account_ids=st.none() | st.lists(st.text(), max_size=3).map(tuple),
    tag_ids=st.none() | st.lists(st.text(), max_size=3).map(tuple),
    enum_filters=st.lists(
        st.builds(EnumChoice, any_names, st.lists(st.text() | st.sampled_from(STATUSES), max_size=3).map(tuple)),
        max_size=3,
    ).map(tuple),
    numeric_filters=st.lists(
        st.builds(NumericRange, any_names, st.none() | st.decimals(), st.none() | st.decimals()), max_size=3
    ).map(tuple),
    columns=st.none() | st.lists(any_names, max_size=4).map(tuple),
)


@given(selection=good)
def test_a_good_selection_passes_unchanged(selection: Selection) -> None:
    assert check_selection(selection, DATASET) == selection


@given(data=st.data(), selection=good)
def test_names_pass_in_any_case_and_come_out_as_the_warehouse_writes_them(
    data: st.DataObject, selection: Selection
) -> None:
    shouted = replace(
        selection,
        enum_filters=tuple(replace(item, name=data.draw(any_case(item.name))) for item in selection.enum_filters),
        numeric_filters=tuple(replace(item, name=data.draw(any_case(item.name))) for item in selection.numeric_filters),
        columns=selection.columns and tuple(data.draw(any_case(name)) for name in selection.columns),
    )

    assert check_selection(shouted, DATASET) == selection


@given(selection=anything)
def test_anything_is_refused_by_naming_fields_or_passes_whole(selection: Selection) -> None:
    checked, problems = outcome(selection)

    assert all(problem.pointer.startswith("/") and problem.detail.endswith(".") for problem in problems)
    if checked is not None:
        assert check_selection(checked, DATASET) == checked, "what has passed passes again"
        assert [item.values for item in checked.enum_filters] == [item.values for item in selection.enum_filters]
        assert {item.name for item in checked.enum_filters} <= {"status"}
        assert {item.name for item in checked.numeric_filters} <= {"amount"}
        assert set(checked.columns or NAMES) <= set(NAMES)


def outcome(selection: Selection) -> tuple[Selection | None, tuple[FieldProblem, ...]]:
    """What passes, or the problems found."""
    try:
        return check_selection(selection, DATASET), ()
    except InvalidRequest as refusal:
        return None, refusal.problems


SECRET = "3f1c9a7e secret"


def test_no_refusal_repeats_what_was_sent() -> None:
    sent = Selection(
        start_date=date(2024, 1, 2),
        end_date=date(2024, 1, 1),
        enum_filters=(EnumChoice(SECRET, (SECRET,)), EnumChoice("status", (SECRET,))),
        numeric_filters=(NumericRange(SECRET), NumericRange("amount", Decimal("NaN"))),
        columns=(SECRET,),
    )
    with pytest.raises(InvalidRequest) as refusal:
        check_selection(sent, DATASET)

    assert len(refusal.value.problems) == 6
    assert "secret" not in str([refusal.value, *refusal.value.problems])


DAY = date(2024, 1, 1)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(start_date=DAY, end_date=DAY - timedelta(days=1)), ["/end_date"]),
        (Selection(enum_filters=(EnumChoice("amount", ()),)), ["/enum_filters"]),
        (Selection(enum_filters=(EnumChoice("status", ("booked",)),) * 2), ["/enum_filters"]),
        (Selection(enum_filters=(EnumChoice("STATUS", ("Booked",)),)), ["/enum_filters/STATUS"]),
        (Selection(numeric_filters=(NumericRange("status", Decimal(1)),)), ["/numeric_filters"]),
        (Selection(numeric_filters=(NumericRange("amount"),)), ["/numeric_filters/amount"]),
        (Selection(numeric_filters=(NumericRange("amount", Decimal("NaN")),)), ["/numeric_filters/amount"]),
        (Selection(numeric_filters=(NumericRange("amount", Decimal("sNaN")),)), ["/numeric_filters/amount"]),
        (Selection(numeric_filters=(NumericRange("amount", None, Decimal("Infinity")),)), ["/numeric_filters/amount"]),
        (Selection(numeric_filters=(NumericRange("amount", Decimal(2), Decimal(1)),)), ["/numeric_filters/amount"]),
        (Selection(columns=()), ["/columns"]),
        (Selection(columns=("amount", "secret")), ["/columns/1"]),
        (Selection(columns=("amount", "AMOUNT")), ["/columns"]),
    ],
    ids=lambda value: None,
)
def test_what_is_wrong_is_named(selection: Selection, expected: list[str]) -> None:
    assert pointers(selection) == expected


@pytest.mark.parametrize("field", ["start_date", "end_date"])
def test_a_date_is_refused_where_there_is_no_date_column(field: str) -> None:
    fields: dict[str, Any] = {field: DAY}

    assert pointers(Selection(**fields), BARE) == [f"/{field}"]


@pytest.mark.parametrize("field", ["account_ids", "tag_ids"])
@pytest.mark.parametrize("ids", [(), ("a",)])
def test_ids_are_refused_where_there_is_no_such_filter(field: str, ids: tuple[str, ...]) -> None:
    fields: dict[str, Any] = {field: ids}

    assert pointers(Selection(**fields), BARE) == [f"/{field}"]


def test_all_that_is_wrong_is_reported_at_once() -> None:
    sent = factories.selection(
        start_date=date(2025, 1, 1), columns=("nothing",), numeric_filters=(NumericRange("amount"),)
    )

    assert pointers(sent) == ["/end_date", "/numeric_filters/amount", "/columns/0"]
