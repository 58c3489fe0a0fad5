"""Sign-in of the web page: a cookie with the token, which no script can read.

Browsers also attach cookies to requests that other sites cause. The cookie therefore only counts together with a header
that a page of another origin cannot set without a CORS preflight, which this service refuses.
"""

from typing import Literal, TypedDict

from fastapi import Request, Response

COOKIE = "analytics_exports_token"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Browsers accept a cookie with this name only over HTTPS and from this very host."""

HEADER = "X-Analytics-Exports-Page"
SECONDS = 12 * 60 * 60
"""A working day. The session ends earlier when the token expires."""


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
