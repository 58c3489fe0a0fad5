"""The table from errors to HTTP statuses, and the rendering of errors (RFC 9457).

A body never contains the text of an exception, a path, or anything that the client sent.
"""

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import takewhile
from pathlib import Path
from traceback import extract_tb
from uuid import uuid4

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from analytics_exports.api import errors as http
from analytics_exports.contract.problems import MEDIA_TYPE, Problem, ProblemField, documentation_path
from analytics_exports.domain import errors

logger = logging.getLogger(__name__)

STATUS: Mapping[type[errors.ExportError], HTTPStatus] = {
    errors.ExportError: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.Refused: HTTPStatus.BAD_REQUEST,
    errors.InvalidRequest: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidToken: HTTPStatus.UNAUTHORIZED,
    errors.InsufficientScope: HTTPStatus.FORBIDDEN,
    errors.DatasetNotFound: HTTPStatus.NOT_FOUND,
    errors.ExportNotFound: HTTPStatus.NOT_FOUND,
    errors.ExportNotReady: HTTPStatus.CONFLICT,
    errors.ExportUnavailable: HTTPStatus.CONFLICT,
    errors.ExportExpired: HTTPStatus.GONE,
    errors.ExportConflict: HTTPStatus.CONFLICT,
    errors.IdempotencyKeyInUse: HTTPStatus.CONFLICT,
    errors.IdempotencyKeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.InvalidLink: HTTPStatus.FORBIDDEN,
    errors.TokenNotFound: HTTPStatus.NOT_FOUND,
    errors.TooManyExports: HTTPStatus.TOO_MANY_REQUESTS,
    errors.UserNotFound: HTTPStatus.NOT_FOUND,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ProductionFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.DatasetChanged: HTTPStatus.CONFLICT,
    errors.OutOfMemory: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.StorageFull: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.TimedOut: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.WarehouseChanged: HTTPStatus.SERVICE_UNAVAILABLE,
    http.BodyTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    http.MethodNotAllowed: HTTPStatus.METHOD_NOT_ALLOWED,
    http.PreconditionFailed: HTTPStatus.PRECONDITION_FAILED,
    http.RangeNotSatisfiable: HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE,
    http.RequestTimeout: HTTPStatus.REQUEST_TIMEOUT,
    http.RouteNotFound: HTTPStatus.NOT_FOUND,
    http.TooManyAttempts: HTTPStatus.TOO_MANY_REQUESTS,
    http.TooManyDownloads: HTTPStatus.TOO_MANY_REQUESTS,
    http.UnsupportedMediaType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}
"""An error has the status of its nearest listed ancestor."""

RETRY_SECONDS: Mapping[type[errors.ExportError], int] = {
    errors.ExportError: 5,
    errors.ExportNotReady: 1,
    errors.IdempotencyKeyInUse: 1,
    errors.StorageFull: 60,
    http.TooManyAttempts: 60,
    http.TooManyQueries: 2,
}
"""Retry-After for retryable errors, also by the nearest listed ancestor."""

TITLES: Mapping[HTTPStatus, str] = {
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Content Too Large",
    HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE: "Range Not Satisfiable",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Unprocessable Content",
}
"""Reason phrases of RFC 9110 that older versions of Python do not have."""

FRAMEWORK: Mapping[HTTPStatus, type[errors.ExportError]] = {
    HTTPStatus.NOT_FOUND: http.RouteNotFound,
    HTTPStatus.METHOD_NOT_ALLOWED: http.MethodNotAllowed,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: http.BodyTooLarge,
}
"""Errors of the framework itself, by status."""

STANDARD_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
"""Headers of every response that does not set them itself."""

PLAIN_NAME = re.compile(r"[a-zA-Z_]{1,64}")


def all_errors(root: type[errors.ExportError] = errors.ExportError) -> Iterator[type[errors.ExportError]]:
    """All errors of this service, each after its parent."""
    if root.__module__ in (errors.__name__, http.__name__):
        yield root
        for child in sorted(root.__subclasses__(), key=lambda error: error.__name__):
            yield from all_errors(child)


def status_of(error: type[errors.ExportError]) -> HTTPStatus:
    """The HTTP status of an error."""
    return next(STATUS[ancestor] for ancestor in error.__mro__ if ancestor in STATUS)


def title_of(error: type[errors.ExportError]) -> str:
    """The reason phrase of an error's status."""
    status = status_of(error)
    return TITLES.get(status, status.phrase)


def retry_seconds(error: type[errors.ExportError]) -> int:
    """The Retry-After of an error, in seconds."""
    return next(RETRY_SECONDS[ancestor] for ancestor in error.__mro__ if ancestor in RETRY_SECONDS)


def request_id(request: Request) -> str:
    """The id of this request, in the response's header and body and in the log."""
    if not hasattr(request.state, "request_id"):
        request.state.request_id = uuid4().hex
    identifier: str = request.state.request_id
    return identifier


def describe(error: errors.ExportError, request_id: str, fields: Sequence[ProblemField] | None = None) -> Problem:
    """The problem document of an error."""
    status = status_of(type(error))
    return Problem(
        type=documentation_path(error.code),
        title=title_of(type(error)),
        status=status,
        detail=str(error),
        code=error.code,
        request_id=request_id,
        errors=list(fields) if fields else None,
    )


def error_response(request: Request, error: Exception, headers: Mapping[str, str] | None = None) -> Response:
    """The response to an error; an unexpected one is logged and rendered as an internal error."""
    known = _known(error)
    if known is None:
        log_unexpected(request, error)
        known = errors.InternalFailure(
            "The request failed for an unexpected reason; operators find it in the log under this request id."
        )
    problem = describe(known, request_id(request), _fields(known, error))
    more = {**(headers or {}), **(getattr(error, "headers", None) or {})}
    if known.retryable:
        more["Retry-After"] = str(retry_seconds(type(known)))
    if problem.status == HTTPStatus.UNAUTHORIZED:
        more["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    standard = {**STANDARD_HEADERS, "X-Request-Id": problem.request_id}
    body = problem.model_dump_json(exclude_none=True)
    return Response(body, problem.status, headers={**standard, **more}, media_type=MEDIA_TYPE)


def log_unexpected(request: Request, error: Exception) -> None:
    """Log the type of an error and where it was raised, but not its text, which may contain values of any user."""
    where = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in extract_tb(error.__traceback__)]
    logger.error("Request %s failed: %s at %s", request_id(request), type(error).__qualname__, " > ".join(where[-4:]))


def _known(error: Exception) -> errors.ExportError | None:
    if isinstance(error, errors.ExportError):
        return error
    if isinstance(error, RequestValidationError):
        return errors.InvalidRequest()
    if isinstance(error, HTTPException):
        return FRAMEWORK.get(HTTPStatus(error.status_code), errors.Refused)()
    return None


def _fields(known: errors.ExportError, error: Exception) -> Sequence[ProblemField] | None:
    """The invalid fields and what is expected of each; the values sent are not repeated."""
    if isinstance(error, RequestValidationError):
        return [ProblemField(pointer=_pointer(item["loc"]), detail=_sentence(item)) for item in error.errors()]
    if isinstance(known, errors.InvalidRequest):
        return [ProblemField(pointer=field.pointer, detail=field.detail) for field in known.problems]
    return None


def _sentence(item: Mapping[str, object]) -> str:
    """Pydantic's message for a field, without the prefix it puts before messages of our own validators."""
    if item["type"] == "uuid_parsing":  # its message contains the value
        return "Write it as a UUID."
    return str(item["msg"]).removeprefix("Value error, ")


def _pointer(location: Sequence[int | str]) -> str:
    """A JSON pointer without FastAPI's first element (body, query, path).

    It ends above a name that does not look like a field name, because that may be anything.
    """
    parts = takewhile(lambda part: isinstance(part, int) or PLAIN_NAME.fullmatch(part), location[1:])
    return "".join(f"/{part}" for part in parts)
