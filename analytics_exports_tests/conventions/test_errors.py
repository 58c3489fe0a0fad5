"""The error tree: total, unambiguous, and the same in code and in its drawing."""

from analytics_exports.api import errors as http
from analytics_exports.api.problems import STATUS, all_errors, status_of
from analytics_exports.domain import errors

ERRORS = list(all_errors())


def test_an_error_has_a_code_a_sentence_and_a_status() -> None:
    for error in ERRORS:
        assert error.code.isidentifier(), error
        assert error.sentence().endswith("."), error
        assert 400 <= status_of(error) < 600, error


def test_codes_are_unique() -> None:
    codes = [error.code for error in ERRORS]

    assert sorted(codes) == sorted(set(codes))


def test_every_error_is_drawn() -> None:
    drawn = f"{errors.__doc__}{http.__doc__}"

    assert [error.__name__ for error in ERRORS if error.__name__ not in drawn] == []


def test_the_table_lists_no_error_that_does_not_exist() -> None:
    assert set(STATUS) <= set(ERRORS)
