"""Errors of HTTP itself; part of the same tree as ``domain.errors``.

Refused
├── BodyTooLarge
├── InvalidIdempotencyKey
├── MalformedBody        not JSON, or JSON that parsers would read differently
├── MethodNotAllowed
├── PreconditionFailed   If-Match
├── RangeNotSatisfiable
├── RequestTimeout       the body did not arrive in time
├── RouteNotFound
├── TooManyAttempts      invalid tokens from one address
├── TooManyDownloads     of one user at once
├── UnknownHost
└── UnsupportedMediaType
Unavailable
└── TooManyQueries       of all users at once
"""

from analytics_exports.domain.errors import Refused, Unavailable


class BodyTooLarge(Refused):
    """The request body is larger than this service reads."""

    code = "body_too_large"


class InvalidIdempotencyKey(Refused):
    """An Idempotency-Key has 1 to 255 printable ASCII characters and comes once."""

    code = "invalid_idempotency_key"


class MalformedBody(Refused):
    """The request body is not one JSON value in UTF-8, nested a little, with each name once in an object."""

    code = "malformed_body"


class MethodNotAllowed(Refused):
    """This address does not know that method; the Allow header lists those it knows."""

    code = "method_not_allowed"


class PreconditionFailed(Refused):
    """The file is not the one that If-Match names."""

    code = "precondition_failed"


class RangeNotSatisfiable(Refused):
    """The Range lies outside of the file; Content-Range says how long it is."""

    code = "range_not_satisfiable"

    def __init__(self, size: int = 0) -> None:
        """Add a Content-Range header with the size of the file in bytes."""
        super().__init__()
        self.headers = {"Content-Range": f"bytes */{size}"}


class RequestTimeout(Refused):
    """The request body did not arrive in time; send it again."""

    code = "request_timeout"
    retryable = True


class RouteNotFound(Refused):
    """There is nothing at this address; the OpenAPI document lists what there is."""

    code = "not_found"


class TooManyAttempts(Refused):
    """Too many requests came from your address with tokens that are not valid; wait before you try another."""

    code = "too_many_attempts"
    retryable = True


class TooManyDownloads(Refused):
    """You have as many downloads running as you may; let one end first."""

    code = "too_many_downloads"
    retryable = True


class TooManyQueries(Unavailable):
    """As many queries are running as may; try again in a moment, or ask for an export."""

    code = "too_many_queries"


class UnknownHost(Refused):
    """This service is not known by the name in the Host header."""

    code = "unknown_host"


class UnsupportedMediaType(Refused):
    """Send the request body as application/json."""

    code = "unsupported_media_type"
