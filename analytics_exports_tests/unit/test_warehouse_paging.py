"""Cursors: they say where a page ended, fit one request only, and cannot be made to do anything else."""

import base64
import json
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.errors import InvalidRequest
from analytics_exports.domain.selection import Selection
from analytics_exports.warehouse.paging import Position, decode, encode, position_after, request_digest
from analytics_exports_tests import factories

BOUND = "0123456789abcdef"
places = st.lists(st.none() | st.text(), max_size=4).map(tuple)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
)


@given(place=places, given_rows=st.integers(1, 2**40))
def test_a_cursor_is_read_back_unchanged(place: tuple[str | None, ...], given_rows: int) -> None:
    position = Position(place, given_rows)

    assert decode(encode(position, BOUND), BOUND, len(place)) == position


@given(text=st.text())
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest):
        decode(text, BOUND, 1)


@given(values=st.lists(json_values, max_size=4))
def test_a_forged_cursor_is_refused_or_holds_texts(values: list[object]) -> None:
    forged = base64.urlsafe_b64encode(json.dumps([BOUND, *values]).encode()).decode()
    try:
        position = decode(forged, BOUND, 2)
    except InvalidRequest:
        return

    assert 0 < position.rows_taken <= 2**40
    assert len(position.sort_values) == 2
    assert all(text is None or text.encode() for text in position.sort_values if text != "")


def test_half_a_character_is_refused() -> None:
    forged = base64.urlsafe_b64encode(json.dumps([BOUND, 1, "\ud800"]).encode()).decode()

    with pytest.raises(InvalidRequest):
        decode(forged, BOUND, 1)


def test_a_cursor_fits_only_its_own_request() -> None:
    dataset, scope, selection = factories.dataset(), OwnerScope("a"), Selection()
    bindings = {
        request_digest(dataset, scope, selection),
        request_digest(factories.dataset(name="other"), scope, selection),
        request_digest(replace(dataset, unique_key=()), scope, selection),
        request_digest(dataset, OwnerScope("b"), selection),
        request_digest(dataset, scope, Selection(start_date=date(2024, 1, 1))),
        request_digest(dataset, scope, Selection(columns=("amount",))),
    }

    assert len(bindings) == 6
    assert request_digest(factories.dataset(), OwnerScope("a"), Selection()) in bindings


@pytest.mark.parametrize(
    ("places", "before", "expected"),
    [
        ([("1",), ("2",)], None, Position(("2",), 1)),
        ([("1",), ("2",), ("2",)], None, Position(("2",), 2)),
        ([("2",), ("2",)], None, Position(("2",), 2)),
        ([("2",), ("2",)], Position(("2",), 3), Position(("2",), 5)),
        ([("2",), ("3",)], Position(("2",), 3), Position(("3",), 1)),
        ([("3",), ("3",)], Position(("2",), 3), Position(("3",), 2)),
        ([(None,), (None,)], Position((None,), 1), Position((None,), 3)),
    ],
)
def test_a_position_counts_equal_rows(
    places: list[tuple[str | None, ...]], before: Position | None, expected: Position
) -> None:
    assert position_after(places, before) == expected
