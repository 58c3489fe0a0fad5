"""The models of the contract: one spelling of each value, and nothing that a later stage could not process."""

import json
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from analytics_exports.contract import strict_json
from analytics_exports.contract.requests import ExportCreate, ExportsQuery, PageQuery, SelectionFields
from analytics_exports.contract.responses import ExportOut, ProgressOut
from analytics_exports.domain.export import ExportJob, JobId, Progress, Status
from analytics_exports.domain.selection import NumericRange, Selection
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.jobs import FakeJobStore

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
)


def body(**fields: Any) -> dict[str, Any]:
    return {"dataset_id": str(uuid4()), **fields}


def job(**changes: Any) -> ExportJob:
    return FakeJobStore().create(factories.principal(), factories.request(**changes))


@given(JSON)
def test_json_is_read_as_it_was_written(value: Any) -> None:
    assert strict_json.loads(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 1, "a": 2}',
        b'{"x": [{"a": 1, "a": 1}]}',
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        b"1" * 5000,
        b'{"a": "\xff"}',
        b'\xef\xbb\xbf{"a": 1}',
        '{"a": 1}'.encode("utf-16"),
        b"",
        b"{",
        b"{'a': 1}",
        b'{"a": 1} {"b": 2}',
        b'{"a": "\n"}',
    ],
    ids=lambda text: repr(text[:20]),
)
def test_what_parsers_disagree_on_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        strict_json.loads(text)


def test_numbers_keep_their_digits() -> None:
    read = strict_json.loads(b'{"a": 0.1000000000000000000001, "b": 1e999}')

    assert read == {"a": Decimal("0.1000000000000000000001"), "b": Decimal("1e999")}


@pytest.mark.parametrize(
    "fields",
    [
        {"unknown": 1},
        {"user_id": str(UUID(int=1))},
        {"dataset_id": 5},
        {"dataset_id": "\ud800"},
        {"format": "exe"},
        {"format": None},
        {"start_date": 20240101},
        {"start_date": "2024-01-01T00:00:01"},
        {"start_date": "2024-02-30"},
        {"start_date": "\x00"},
        {"account_ids": []},
        {"account_ids": "a"},
        {"account_ids": [""]},
        {"account_ids": ["\x00"]},
        {"account_ids": ["\ud800"]},
        {"account_ids": ["a" * 257]},
        {"account_ids": [1]},
        {"account_ids": ["a"] * 1001},
        {"columns": []},
        {"enum_filters": {"\x00": ["a"]}},
        {"enum_filters": {"status": "booked"}},
        {"enum_filters": {f"filter{number}": ["a"] for number in range(21)}},
        {"numeric_filters": {"amount": {"min": "nan"}}},
        {"numeric_filters": {"amount": {"min": "Infinity"}}},
        {"numeric_filters": {"amount": {"min": float("nan")}}},
        {"numeric_filters": {"amount": {"min": float("inf")}}},
        {"numeric_filters": {"amount": {"min": Decimal("1e999")}}},
        {"numeric_filters": {"amount": {"min": True}}},
        {"numeric_filters": {"amount": {"min": "9" * 61}}},
        {"numeric_filters": {"amount": {"least": 1}}},
        {"numeric_filters": {"amount": 5}},
        {"compression": 1.5},
        {"compression": ["gzip"]},
        {"csv": {"delimiter": {"nested": 1}}},
        {"csv": "excel"},
        {"split": {"rows": 1.5}},
    ],
    ids=repr,
)
def test_what_is_not_of_the_contract_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ExportCreate.model_validate(body(**fields))


@pytest.mark.parametrize(("given", "number"), [(1, "1"), (1.5, "1.5"), ("12.50", "12.50"), (Decimal("0.10"), "0.10")])
def test_a_number_keeps_its_digits(given: Any, number: str) -> None:
    asked = ExportCreate.model_validate(body(numeric_filters={"amount": {"max": given}}))

    assert asked.selection().numeric_filters == (NumericRange("amount", None, Decimal(number)),)


def test_options_are_those_that_were_given() -> None:
    asked = ExportCreate.model_validate(body(compression="gzip", csv={"bom": True, "delimiter": ";"}))

    assert asked.options() == {"compression": "gzip", "csv": {"bom": True, "delimiter": ";"}}
    assert ExportCreate.model_validate(body()).options() == {}


def test_filters_of_a_query_are_json_texts() -> None:
    query = PageQuery.model_validate(
        {
            "enum_filters": '{"status": ["booked"]}',
            "numeric_filters": '{"amount": {"min": 0.10}}',
            "columns": ["a", "b"],
        }
    )

    assert query.selection().enum_filters[0].values == ("booked",)
    assert query.selection().numeric_filters == (NumericRange("amount", Decimal("0.10")),)
    assert query.selection().columns == ("a", "b")


@pytest.mark.parametrize(
    "parameters",
    [
        {"enum_filters": "status"},
        {"enum_filters": '{"status": ["a"], "status": ["b"]}'},
        {"enum_filters": "[" * 5000},
        {"numeric_filters": '{"amount": {"min": NaN}}'},
        {"numeric_filters": "5"},
        {"limit": 0},
        {"limit": 10_001},
        {"offset": -1},
        {"cursor": ""},
        {"cursor": "a b"},
        {"cursor": "é"},
        {"surprise": "1"},
    ],
    ids=repr,
)
def test_a_query_is_as_strict(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PageQuery.model_validate(parameters)


@pytest.mark.parametrize(
    "parameters",
    [{"created_after": "2024-01-01T00:00:00"}, {"created_after": "1704067200"}, {"limit": 201}, {"user": 1}],
)
def test_a_list_is_as_strict(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ExportsQuery.model_validate(parameters)


def test_a_status_repeats_what_was_asked_for() -> None:
    out = ExportOut.of(job(selection=factories.selection()))

    assert SelectionFields.model_validate(out.filters).selection() == factories.selection()
    assert out.options == {"header": True}


def test_a_status_without_filters_has_none() -> None:
    assert ExportOut.of(job(selection=Selection())).filters == {}
    assert ExportOut.of(job(selection=Selection(end_date=date(2024, 1, 1)))).filters == {"end_date": "2024-01-01"}


@pytest.mark.parametrize(
    ("status", "progress", "position", "expected"),
    [
        (Status.PENDING, None, 3, ("queued", None, 0, 3)),
        (Status.RUNNING, None, None, ("reading", None, 0, None)),
        (Status.RUNNING, Progress(50, 9, None), None, ("writing", None, 50, None)),
        (Status.RUNNING, Progress(50, 9, 200), None, ("writing", 25, 50, None)),
        (Status.RUNNING, Progress(200, 9, 200), None, ("finishing", 100, 200, None)),
    ],
)
def test_progress_says_what_is_known(
    status: Status, progress: Progress | None, position: int | None, expected: Any
) -> None:
    out = ProgressOut.of(replace(job(), status=status, progress=progress), position)

    assert out is not None
    assert (out.stage, out.percent, out.rows_written, out.queue_position) == expected


def test_an_export_that_has_ended_makes_no_progress() -> None:
    assert ProgressOut.of(replace(job(), status=Status.FAILED, id=JobId(uuid4()))) is None
