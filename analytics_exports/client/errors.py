"""Exceptions of the client: the errors of ``domain.errors``, by the code in the response, and a few more.

    ExportError
    ├── Unavailable
    │   ├── ServiceUnreachable   no response
    │   └── StillRunning         the timeout of ``wait``
    ├── UnexpectedAnswer     not a response of this service
    ├── DamagedFile          the downloaded bytes are wrong
    ├── NoTypes              the file's format keeps no types to load
    └── LibraryMissing       a data frame library is not installed

``except ExportExpired`` means the same in client and server. The ``__cause__`` of an error is an Answered with the
whole response. When to retry belongs to ``retrying``.
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
TEMPORARY_STATUSES = frozenset({408, 429, 502, 503, 504})
"""Statuses with which a proxy may refuse a request temporarily."""


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
    """The HTTP response behind an error.

    Attributes:
        problem: The body, if it is a problem document of the service.
        retry_after: Seconds that the service asks to wait before a retry.
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


def error_from_response(response: httpx.Response) -> ExportError:
    """The error in a response, with the response as its cause."""
    problem = _problem(response)
    error = _of_problem(problem) if problem else _of_status(response.status_code)
    error.__cause__ = Answered(response.status_code, problem, retry_after(response.headers))
    return error


def requested_pause(error: ExportError) -> float | None:
    """Seconds that the service asked to wait before a retry."""
    return error.__cause__.retry_after if isinstance(error.__cause__, Answered) else None


def error_from_failure(failure: FailureOut | None) -> ExportError:
    """Why an export ended without a file."""
    if failure is None:
        return ProductionFailed()
    kind = CODES.get(failure.code, ProductionFailed)
    return ProductionFailed(failure.message) if issubclass(kind, InvalidRequest) else kind(failure.message)


def error_from_validation(error: ValidationError) -> InvalidRequest:
    """The refusal of arguments that the service would refuse too. Repeats no values."""
    problems = [
        FieldProblem("".join(f"/{part}" for part in item["loc"]), item["msg"])
        for item in error.errors(include_url=False, include_input=False)
    ]
    return _invalid(problems)


def _problem(response: httpx.Response) -> Problem | None:
    try:
        return Problem.model_validate(json.loads(response.content))
    except ValueError:  # not a problem document, perhaps a proxy's page
        return None


def _of_problem(problem: Problem) -> ExportError:
    kind = CODES.get(problem.code)
    if kind is InvalidRequest:
        return _invalid([FieldProblem(field.pointer, field.detail) for field in problem.errors or []])
    if kind is None:  # a newer service knows more codes
        kind = (
            Unavailable
            if problem.status in TEMPORARY_STATUSES
            else Refused
            if problem.status < SERVER_ERROR
            else ExportError
        )
    return kind(problem.detail)


def _of_status(status: int) -> ExportError:
    return Unavailable() if status in TEMPORARY_STATUSES else UnexpectedAnswer()


def _invalid(problems: list[FieldProblem]) -> InvalidRequest:
    error = InvalidRequest(*problems)
    for problem in problems:
        error.add_note(f"{problem.pointer or '/'}: {problem.detail}")
    return error
