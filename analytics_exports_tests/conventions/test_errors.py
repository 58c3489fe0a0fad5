"""The error tree: total, unambiguous, and the same in code and in its drawing."""

from collections.abc import Iterator

import pytest

from analytics_exports.api.problems import STATUS, status_of
from analytics_exports.domain import errors
from analytics_exports.domain.errors import ExportError


def tree(root: type[ExportError] = ExportError) -> Iterator[type[ExportError]]:
    """``root`` and all errors below it that the service itself defines."""
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from tree(child)


ERRORS = list(tree())


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_an_error_has_a_code_a_sentence_and_a_status(error: type[ExportError]) -> None:
    assert error.code.isidentifier()
    assert error.sentence().endswith(".")
    assert 400 <= status_of(error) < 600


def test_codes_are_unique() -> None:
    codes = [error.code for error in ERRORS]

    assert sorted(codes) == sorted(set(codes))


def test_every_error_is_drawn() -> None:
    drawn = errors.__doc__ or ""

    assert [error.__name__ for error in ERRORS if error.__name__ not in drawn] == []


def test_the_table_lists_no_error_that_does_not_exist() -> None:
    assert set(STATUS) <= set(ERRORS)
