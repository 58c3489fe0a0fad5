"""Authentication: from the token of a request to a Principal, by API token or by JWT.

The token is a bearer token, or the one in the cookie of the web page, which no script can read. Browsers also attach
cookies to requests that other sites cause. The cookie therefore only counts together with a header that a page of
another origin cannot set without a CORS preflight, which this service refuses.

A host application can replace ``get_current_user`` by its own dependency; nothing else reads tokens.
"""

from typing import Annotated, Literal, TypedDict

from fastapi import Depends, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from analytics_exports.api.deps import state_of
from analytics_exports.api.errors import TooManyAttempts
from analytics_exports.domain.access import Principal
from analytics_exports.domain.errors import InvalidToken

COOKIE = "analytics_exports_token"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Browsers accept a cookie with this name only over HTTPS and from this very host."""

HEADER = "X-Analytics-Exports-Page"
SECONDS = 12 * 60 * 60
"""A working day. The session ends earlier when the token expires."""

bearer = HTTPBearer(auto_error=False, scheme_name="token", description="An API token, or a JWT where that is set up.")


def get_current_user(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]
) -> Principal:
    """The caller. Every invalid token gets the same response, and a valid one is never refused because of others.

    Raises:
        InvalidToken: there is no token, or it is malformed, unknown, revoked or expired.
        TooManyAttempts: the same, after many invalid tokens from this address.
    """
    token = credentials.credentials if credentials else session_token(request)
    if token is None:
        raise InvalidToken
    state = state_of(request)
    principal = state.services.callers.authenticate(token)
    if principal is None:
        address = request.client.host if request.client else ""
        raise InvalidToken if state.failed_attempts.record(address) else TooManyAttempts
    return principal


def session_token(request: Request) -> str | None:
    """The token of the signed-in user; ``None`` unless the web page sent the request."""
    if HEADER not in request.headers:
        return None
    return request.cookies.get(_name(request))


def open_session(request: Request, response: Response, token: str) -> None:
    """Set the cookie."""
    response.set_cookie(_name(request), token, max_age=SECONDS, **_attributes(request))


def close_session(request: Request, response: Response) -> None:
    """Delete the cookie."""
    response.delete_cookie(_name(request), **_attributes(request))


def _secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _name(request: Request) -> str:
    return SECURE_COOKIE if _secure(request) else COOKIE


class _Attributes(TypedDict):
    httponly: bool
    path: str
    samesite: Literal["strict"]
    secure: bool


def _attributes(request: Request) -> _Attributes:
    return {"httponly": True, "path": "/", "samesite": "strict", "secure": _secure(request)}
