"""The sign-in of the web page: a cookie with the token, which no script can read.

A browser attaches cookies also to requests that other pages cause. What makes the cookie count is therefore a header
that a page of another origin cannot set: browsers would ask this service for leave first, and it gives none.
"""

from typing import Literal, TypedDict

from fastapi import Request, Response

COOKIE = "analytics_exports_token"
SECURE_COOKIE = f"__Host-{COOKIE}"
"""Browsers take a cookie of this name only over HTTPS and from this very host."""

HEADER = "X-Analytics-Exports-Page"
SECONDS = 12 * 60 * 60
"""A working day. The token itself can end earlier, and then the session does."""


def session_token(request: Request) -> str | None:
    """The token of whoever signed in on the page; ``None`` unless it was the page that sent the request."""
    if HEADER not in request.headers:
        return None
    return request.cookies.get(_name(request))


def open_session(request: Request, response: Response, token: str) -> None:
    """Let the browser keep the token for the page."""
    response.set_cookie(_name(request), token, max_age=SECONDS, **_attributes(request))


def close_session(request: Request, response: Response) -> None:
    """Let the browser forget it."""
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
