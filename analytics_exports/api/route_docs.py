"""Documentation of routes: the scope a route requires and the errors it responds with.

A scope is declared once; both the check and the OpenAPI document are derived from it.
"""

from collections import defaultdict
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import Depends

from analytics_exports.api.deps import RequireScope
from analytics_exports.api.errors import (
    BodyTooLarge,
    MalformedBody,
    RequestTimeout,
    TooManyAttempts,
    TooManyQueries,
    UnsupportedMediaType,
)
from analytics_exports.api.problems import describe, retry_seconds, status_of
from analytics_exports.contract.problems import MEDIA_TYPE, ProblemField
from analytics_exports.domain import errors
from analytics_exports.domain.access import Scope
from analytics_exports.domain.errors import ExportError

EXAMPLE_ID = "4f6d2c0e9b7a4e1d8c3b5a6978f0e1d2"
EXAMPLE_FIELD = ProblemField(pointer="/end_date", detail="The end date is before the start date.")

AUTHENTICATION_ERRORS = (errors.InvalidToken, TooManyAttempts, errors.InsufficientScope, errors.IdentityUnavailable)
DATABASE_ERRORS = (errors.DatabaseUnavailable, errors.InternalFailure)
REQUEST_ERRORS = (errors.InvalidRequest, *DATABASE_ERRORS)
DATASET_ERRORS = (errors.DatasetNotFound, errors.CatalogueUnavailable, *REQUEST_ERRORS)
QUERY_ERRORS = (
    errors.DatasetChanged,
    errors.OutOfMemory,
    errors.TimedOut,
    errors.WarehouseBusy,
    errors.WarehouseChanged,
    errors.WarehouseUnavailable,
    TooManyQueries,
    *DATASET_ERRORS,
)
BODY_ERRORS = (MalformedBody, BodyTooLarge, RequestTimeout, UnsupportedMediaType, *REQUEST_ERRORS)
"""Errors that occur together: of authentication, the database, any request, a dataset, a query, a request body."""


def route_docs(
    tag: str,
    *errors_raised: type[ExportError],
    scope: Scope | None = None,
    success: Mapping[int | str, dict[str, Any]] | None = None,
    **more: Any,  # noqa: ANN401 - arguments of the route
) -> dict[str, Any]:
    """Arguments for a route that responds with ``errors_raised``, and requires a token with ``scope`` if one is given.

    Args:
        tag: The section of the OpenAPI document.
        success: Details on successful responses, by status.
        more: Any other argument for the route.
    """
    every = (*errors_raised, *AUTHENTICATION_ERRORS) if scope else errors_raised
    about: dict[str, Any] = {"tags": [tag], "responses": {**_responses(every), **(success or {})}, **more}
    if scope:
        about |= {"dependencies": [Depends(RequireScope(scope))], "openapi_extra": {"x-required-scope": scope.value}}
    return about


def header(description: str, **schema: Any) -> dict[str, Any]:  # noqa: ANN401 - a JSON Schema
    """The documentation of a response header."""
    return {"description": description, "schema": {"type": "string", **schema}}


def example(error: type[ExportError]) -> dict[str, Any]:
    """The body of an error as a client sees it."""
    fields = [EXAMPLE_FIELD] if issubclass(error, errors.InvalidRequest) else None
    return describe(error(), EXAMPLE_ID, fields).model_dump(mode="json", exclude_none=True)


def _responses(errors_raised: tuple[type[ExportError], ...]) -> dict[int | str, dict[str, Any]]:
    by_status: dict[HTTPStatus, set[type[ExportError]]] = defaultdict(set)
    for error in errors_raised:
        by_status[status_of(error)].add(error)
    return {int(status): _response(status, by_status[status]) for status in sorted(by_status)}


def _response(status: HTTPStatus, errors_raised: set[type[ExportError]]) -> dict[str, Any]:
    known = sorted(errors_raised, key=lambda error: error.code)
    headers = {"X-Request-Id": header("The id of the request in the log.")}
    if status is HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = header("How to authenticate.")
    if any(error.retryable for error in known):
        example_seconds = max(retry_seconds(error) for error in known if error.retryable)
        headers["Retry-After"] = header("Seconds after which to try again.", examples=[str(example_seconds)])
    return {
        "description": " ".join(error.sentence() for error in known),
        "headers": headers,
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {error.code: {"value": example(error)} for error in known},
            }
        },
    }
