"""What a project may write under ``meta``, and the reasons for which a model is rejected."""

from collections.abc import Mapping
from typing import Any

import pytest

from analytics_exports.catalogue.artifact_models import RejectedModel
from analytics_exports.catalogue.meta import parse_meta
from analytics_exports_tests.data.manifests.handmade import FILTERS, META


def filters(**changes: Any) -> Mapping[str, Any]:
    return {"dataset": True, "filters": changes}


def test_everything_that_is_written_is_kept() -> None:
    meta = parse_meta(META)

    assert (meta.friendly_name, meta.group, meta.time_grain) == ("Transactions", "facts", "day")
    assert meta.filters.model_dump(mode="json") == FILTERS


def test_only_the_mark_is_required() -> None:
    meta = parse_meta({"dataset": True})

    assert (meta.friendly_name, meta.unique_key, meta.filters.enum_filters) == (None, (), ())


def test_a_key_without_a_value_is_no_key() -> None:
    empty = {"dataset": True, "group": None, "filters": {"date_column": None, "enum_filters": None}}

    assert parse_meta(empty) == parse_meta({"dataset": True})
    assert parse_meta({"dataset": True, "filters": None}) == parse_meta({"dataset": True})


def test_keys_of_other_tools_are_left_alone() -> None:
    assert parse_meta({"dataset": True, "owner": "finance", "contains_pii": True}) == parse_meta({"dataset": True})


def test_one_column_as_a_unique_key_needs_no_list() -> None:
    assert parse_meta({"dataset": True, "unique_key": "id"}).unique_key == ("id",)
    assert parse_meta({"dataset": True, "unique_key": ["id", "day"]}).unique_key == ("id", "day")


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"dataset": "yes"}, "dataset: must be true, without quotes"),
        ({"dataset": 1}, "dataset: must be true, without quotes"),
        ({"dataset": True, "friendly_name": 2024}, "friendly_name: must be text, put it in quotes"),
        ({"dataset": True, "group": ""}, "group: must not be empty"),
        ({"dataset": True, "group": "g" * 257}, "group: is too long"),
        ({"dataset": True, "group": "a\0b"}, "group: Text must not hold NUL"),
        ({"dataset": True, "unique_key": {"a": 1}}, "unique_key: must be a list"),
        ({"dataset": True, "unique_key": [1]}, "unique_key[0]: must be text"),
        ({"dataset": True, "filters": ["date_column"]}, "filters: must be a mapping"),
        (filters(date_colum="booking_date"), "filters.date_colum: is not a known key, check its spelling"),
        (filters(date_column=["booking_date"]), "filters.date_column: must be text"),
        (filters(enum_filters={"name": "status"}), "filters.enum_filters: must be a list"),
        (filters(enum_filters=["status"]), "filters.enum_filters[0]: must be a mapping"),
        (filters(enum_filters=[{"options": ["a"]}]), "filters.enum_filters[0].name: is missing"),
        (filters(enum_filters=[{"name": "s"}]), "filters.enum_filters[0].options: is missing"),
        (filters(enum_filters=[{"name": "s", "options": []}]), "filters.enum_filters[0].options: must not be empty"),
        (filters(enum_filters=[{"name": "s", "options": "ab"}]), "filters.enum_filters[0].options: must be a list"),
        (filters(enum_filters=[{"name": "s", "options": ["a", 1]}]), "options[1]: must be text, put it in quotes"),
        (filters(enum_filters=[{"name": "s", "options": [True]}]), "options[0]: must be text, put it in quotes"),
        (filters(enum_filters=[{"name": "s", "options": [""]}]), "options[0]: must not be empty"),
        (filters(enum_filters=[{"name": "s", "options": ["a", "a"]}]), "options: has an option twice"),
        (filters(enum_filters=[{"name": "s", "options": ["a"], "lable": "S"}]), "lable: is not a known key"),
        (filters(numeric_filters=[{"name": "n", "min": 0}]), "filters.numeric_filters[0].min: is not a known key"),
        (filters(numeric_filters=[{"name": "n"}, {"name": "N"}]), "numeric_filters: has two filters for one column"),
    ],
)
def test_what_is_wrong_is_reported_with_its_place(meta: Mapping[str, Any], message: str) -> None:
    with pytest.raises(RejectedModel) as refusal:
        parse_meta(meta)

    assert message in str(refusal.value)


def test_several_faults_are_reported_together_but_not_without_end() -> None:
    with pytest.raises(RejectedModel) as refusal:
        parse_meta(filters(date_column=1, tag_id_column=2, **{f"unknown_{number}": 1 for number in range(1000)}))

    message = str(refusal.value)
    assert "filters.date_column" in message
    assert "filters.tag_id_column" in message
    assert len(message) < 1000


def test_a_reason_repeats_no_value_and_nothing_that_moves_a_terminal() -> None:
    with pytest.raises(RejectedModel) as refusal:
        parse_meta(filters(**{"\x1b[2J\u202e": "s3cret", "date_column": {"s3cret": 1}}))

    assert str(refusal.value).isprintable()
    assert "s3cret" not in str(refusal.value)
