"""What the client raises: the errors of ``domain.errors``, found by the code in the service's answer, and a few more.

    ExportError
    ├── Unavailable
    │   ├── ServiceUnreachable   no answer at all
    │   └── StillRunning         the time given to ``wait`` is over
    ├── UnexpectedAnswer     not an answer of this service
    ├── DamagedFile          the bytes are not the ones that were promised
    ├── NoTypes              the file's format keeps no types to load
    └── LibraryMissing       a data frame library is not installed

``except ExportExpired`` means the same on both sides of the wire. What the service said in full is the error's
``__cause__``, an Answered. When to try again belongs to ``retrying``.
"""

import json

import httpx
from pydantic import ValidationError

from analytics_exports.client.retrying import retry_after
from analytics_exports.contract.problems import Problem
from analytics_exports.contract.responses import FailureOut
from analytics_exports.domain import errors
from analytics_exports.domain.errors import (
    ExportError,
    FieldProblem,
    InvalidRequest,
    ProductionFailed,
    Refused,
    Unavailable,
)

SERVER_ERROR = 500
PASSING = frozenset({408, 429, 502, 503, 504})
"""Statuses with which a proxy may say "not now" without the service's own words."""


class ServiceUnreachable(Unavailable):
    """The service does not answer; check its address, and whether it is running."""

    code = "service_unreachable"


class StillRunning(Unavailable):
    """The export has not ended yet; it goes on, so wait again."""

    code = "still_running"


class UnexpectedAnswer(ExportError):
    """The answer is not one of this service; check its address, and whether client and service fit together."""

    code = "unexpected_answer"


class DamagedFile(ExportError):
    """The downloaded bytes are not the ones that were promised, also after another try; nothing was kept."""

    code = "damaged_file"


class NoTypes(ExportError):
    """Only parquet and arrow files keep the types of their columns; export in one of these, or use download()."""

    code = "no_types"


class LibraryMissing(ExportError):
    """A library for data frames is not installed."""

    code = "library_missing"


class Answered(Exception):
    """The HTTP answer behind an error.

    Attributes:
        problem: The body, if it was one of the service's own.
        retry_after: Seconds the service asks to wait before another try.
    """

    def __init__(self, status: int, problem: Problem | None, retry_after: float | None) -> None:
        """Keep what was said."""
        said = f"{problem.code}, request id {problem.request_id}" if problem else "without a problem document"
        super().__init__(f"HTTP {status}: {said}")
        self.status = status
        self.problem = problem
        self.retry_after = retry_after


CODES: dict[str, type[ExportError]] = {
    error.code: error for error in vars(errors).values() if isinstance(error, type) and issubclass(error, ExportError)
}
"""Every error of the domain by its code."""


def of_answer(response: httpx.Response) -> ExportError:
    """The error that an answer stands for, with the answer as its cause."""
    problem = _problem(response)
    error = _of_problem(problem) if problem else _of_status(response.status_code)
    error.__cause__ = Answered(response.status_code, problem, retry_after(response.headers))
    return error


def asked_pause(error: ExportError) -> float | None:
    """The seconds that the service asked to wait before another try."""
    return error.__cause__.retry_after if isinstance(error.__cause__, Answered) else None


def of_failure(failure: FailureOut | None) -> ExportError:
    """Why an export ended without a file."""
    if failure is None:
        return ProductionFailed()
    kind = CODES.get(failure.code, ProductionFailed)
    return ProductionFailed(failure.message) if issubclass(kind, InvalidRequest) else kind(failure.message)


def of_validation(error: ValidationError) -> InvalidRequest:
    """The refusal of arguments that the service would refuse as well. Repeats no values."""
    problems = [
        FieldProblem("".join(f"/{part}" for part in item["loc"]), item["msg"])
        for item in error.errors(include_url=False, include_input=False)
    ]
    return _invalid(problems)


def _problem(response: httpx.Response) -> Problem | None:
    try:
        return Problem.model_validate(json.loads(response.content))
    except ValueError:  # not JSON, not UTF-8 or not a problem: a proxy's page, perhaps
        return None


def _of_problem(problem: Problem) -> ExportError:
    kind = CODES.get(problem.code)
    if kind is InvalidRequest:
        return _invalid([FieldProblem(field.pointer, field.detail) for field in problem.errors or []])
    if kind is None:  # a newer service knows more codes
        kind = Unavailable if problem.status in PASSING else Refused if problem.status < SERVER_ERROR else ExportError
    return kind(problem.detail)


def _of_status(status: int) -> ExportError:
    return Unavailable() if status in PASSING else UnexpectedAnswer()


def _invalid(problems: list[FieldProblem]) -> InvalidRequest:
    error = InvalidRequest(*problems)
    for problem in problems:
        error.add_note(f"{problem.pointer or '/'}: {problem.detail}")
    return error
