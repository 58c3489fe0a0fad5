"""Problem documents: complete, documented, and without anything that the caller sent."""

import json
import logging
from typing import Any

import pytest
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from hypothesis import given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from analytics_exports.api.problems import STATUS, _pointer, all_errors, error_response, status_of
from analytics_exports.contract.problems import MEDIA_TYPE, Problem
from analytics_exports.domain.errors import (
    ExportError,
    InvalidRequest,
    OutOfMemory,
    StorageFull,
    TimedOut,
    Unavailable,
)

ERRORS = list(all_errors())
CANARY = "canary-7f3a"


def request() -> Request:
    return Request({"type": "http", "method": "GET", "path": "/", "headers": [], "state": {"request_id": "id-1"}})


def rendered(error: Exception) -> tuple[Any, Problem]:
    response = error_response(request(), error)
    assert response.media_type == MEDIA_TYPE
    problem = Problem.model_validate_json(bytes(response.body))
    assert problem.status == response.status_code
    return response, problem


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.code)
def test_every_error_is_rendered_with_its_code_and_status(error: type[ExportError]) -> None:
    response, problem = rendered(error())

    assert problem.code == error.code
    assert problem.detail == error.sentence()
    assert problem.type.endswith(f"/errors/{error.code}")
    assert ("Retry-After" in response.headers) == error.retryable
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Request-Id"] == problem.request_id == "id-1"


def test_codes_are_unique_and_the_table_lists_only_errors_that_exist() -> None:
    codes = [error.code for error in ERRORS]

    assert sorted(codes) == sorted(set(codes))
    assert set(STATUS) <= set(ERRORS)


def test_what_may_pass_is_not_the_callers_fault() -> None:
    for error in ERRORS:
        if issubclass(error, (Unavailable, StorageFull)):
            assert status_of(error) == 503


@pytest.mark.parametrize("error", [OutOfMemory, TimedOut])
def test_a_query_that_asks_for_too_much_is_not_worth_repeating(error: type[ExportError]) -> None:
    response, problem = rendered(error())

    assert problem.status == 422
    assert "Retry-After" not in response.headers


def test_an_unexpected_error_shows_nothing_of_itself(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        response, problem = rendered(RuntimeError(f"/secret/path {CANARY}"))

    assert (problem.status, problem.code) == (500, "internal_error")
    assert CANARY not in response.body.decode() + caplog.text
    assert "RuntimeError" in caplog.text


@pytest.mark.parametrize(("status", "code"), [(404, "not_found"), (405, "method_not_allowed"), (418, "refused")])
def test_errors_of_the_framework_have_codes(status: int, code: str) -> None:
    _, problem = rendered(HTTPException(status, CANARY, headers={"Allow": "GET"}))

    assert problem.code == code
    assert CANARY not in problem.model_dump_json()


def test_fields_are_named_and_values_are_not_repeated() -> None:
    errors = [
        {"type": "uuid_parsing", "loc": ("body", "dataset_id"), "msg": f"found `{CANARY}` at 1", "input": CANARY},
        {
            "type": "value_error",
            "loc": ("body", "columns", 3),
            "msg": "Value error, Write it as text.",
            "input": CANARY,
        },
        {"type": "extra_forbidden", "loc": ("body", CANARY), "msg": "Extra inputs are not permitted", "input": CANARY},
    ]
    _, problem = rendered(RequestValidationError(errors))

    assert [field.pointer for field in problem.errors or []] == ["/dataset_id", "/columns/3", ""]
    assert (problem.errors or [])[1].detail == "Write it as text."
    assert CANARY not in problem.model_dump_json()


@given(st.lists(st.integers(0, 9) | st.text(max_size=8), max_size=5))
def test_a_pointer_is_one_whatever_the_names(location: list[int | str]) -> None:
    pointer = _pointer(["body", *location])

    assert pointer == "" or pointer.startswith("/")
    assert pointer.isascii()
    assert json.dumps(pointer)


def test_a_request_that_is_wrong_in_several_ways_says_so_at_once() -> None:
    _, problem = rendered(InvalidRequest())

    assert problem.errors is None
