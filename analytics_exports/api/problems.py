"""The one table from error to HTTP status, and the handlers that render it.

A body never holds an exception's text, a path, or anything the caller sent.
"""

from collections.abc import Sequence
from http import HTTPStatus
from uuid import uuid4

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from analytics_exports.contract.problems import MEDIA_TYPE, Problem, ProblemField
from analytics_exports.domain import errors

STATUS: dict[type[errors.ExportError], HTTPStatus] = {
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
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    errors.ProductionFailed: HTTPStatus.INTERNAL_SERVER_ERROR,
    errors.DatasetChanged: HTTPStatus.CONFLICT,
    errors.OutOfMemory: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.TimedOut: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.WarehouseChanged: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""An error has the status of its nearest ancestor that is listed here."""

RETRY_SECONDS = {HTTPStatus.SERVICE_UNAVAILABLE: "5", HTTPStatus.CONFLICT: "1"}


def status_of(error: type[errors.ExportError]) -> HTTPStatus:
    """The status for this error."""
    return next(STATUS[ancestor] for ancestor in error.__mro__ if ancestor in STATUS)


def request_id(request: Request) -> str:
    """The id of this request, in the answer's header and body and in the log."""
    if not hasattr(request.state, "request_id"):
        request.state.request_id = uuid4().hex
    identifier: str = request.state.request_id
    return identifier


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` with a problem."""
    app.add_exception_handler(errors.ExportError, _domain)
    app.add_exception_handler(RequestValidationError, _validation)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def _problem(
    request: Request, status: HTTPStatus, code: str, detail: str, fields: Sequence[ProblemField] | None = None
) -> Response:
    body = Problem(
        title=status.phrase,
        status=status,
        detail=detail,
        code=code,
        request_id=request_id(request),
        errors=list(fields) if fields else None,
    )
    return Response(
        body.model_dump_json(exclude_none=True),
        status,
        headers={"Cache-Control": "no-store", "X-Request-Id": request_id(request)},
        media_type=MEDIA_TYPE,
    )


def _domain(request: Request, error: Exception) -> Response:
    if not isinstance(error, errors.ExportError):
        return _unexpected(request, error)
    fields = None
    if isinstance(error, errors.InvalidRequest):
        fields = [ProblemField(pointer=field.pointer, detail=field.detail) for field in error.problems]
    status = status_of(type(error))
    response = _problem(request, status, error.code, str(error), fields)
    if error.retryable:
        response.headers["Retry-After"] = RETRY_SECONDS.get(status, "5")
    if status == HTTPStatus.UNAUTHORIZED:
        response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    return response


def _validation(request: Request, error: Exception) -> Response:
    """Names each field and what is expected of it; the value sent is not repeated."""
    found = error.errors() if isinstance(error, RequestValidationError) else []
    fields = [ProblemField(pointer=_pointer(item["loc"]), detail=item["msg"]) for item in found]
    invalid = errors.InvalidRequest
    return _problem(request, status_of(invalid), invalid.code, invalid.sentence(), fields)


def _http(request: Request, error: Exception) -> Response:
    """Errors of the framework itself: no such route, wrong method."""
    if not isinstance(error, HTTPException):
        return _unexpected(request, error)
    status = HTTPStatus(error.status_code)
    response = _problem(request, status, status.name.lower(), status.description or status.phrase)
    response.headers.update(error.headers or {})
    return response


def _unexpected(request: Request, _: Exception) -> Response:
    internal = errors.InternalFailure
    return _problem(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        internal.code,
        "The request failed for an unexpected reason; operators find it in the log under this request id.",
    )


def _pointer(location: Sequence[int | str]) -> str:
    """A JSON pointer without the part that says where FastAPI looked (body, query, path)."""
    parts = [str(part).encode("ascii", "backslashreplace").decode()[:256] for part in location[1:]]
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
