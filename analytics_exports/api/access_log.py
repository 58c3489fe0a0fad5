"""Middleware around the whole application: request ids, the access log, standard headers, and a response to any error.

A log line has no query string, header or body, and of the path only the route's template: nothing that clients send
reaches the log. Only this service's own application uses it; a host application that includes the router has its own.
"""

import logging
import time
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from uuid import uuid4

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from analytics_exports.api.problems import STANDARD_HEADERS, error_response

logger = logging.getLogger("analytics_exports.access")

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST"})
RecordResponse = Callable[[str, str, int, float, int], None]
"""Takes method, route, status, seconds and bytes of a response."""


class AccessLogMiddleware:
    """ASGI middleware that logs each response."""

    def __init__(self, app: ASGIApp, record_response: RecordResponse) -> None:
        """Call ``record_response`` after each response."""
        self._app = app
        self._record_response = record_response

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        recorder = _ResponseRecorder(scope, send)
        request = Request(scope, receive)
        try:
            await self._app(scope, receive, recorder.send)
        except Exception as error:  # noqa: BLE001 - every error gets a response
            response = error_response(request, error)
            if not recorder.started:
                await response(scope, receive, recorder.send)
        finally:
            recorder.log(request)
            self._record_response(*recorder.measured())


class _ResponseRecorder:
    """Observes one response while it is sent."""

    def __init__(self, scope: Scope, send: Send) -> None:
        self.started = False
        self._began = time.monotonic()
        self._scope = scope
        self._send = send
        self._status = 0
        self._bytes = 0
        self._request_id = scope.setdefault("state", {}).setdefault("request_id", uuid4().hex)

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self._status = message["status"]
            message = {**message, "headers": self._complete(list(message["headers"]))}
        else:
            self._bytes += len(message.get("body", b""))
        await self._send(message)

    def log(self, request: Request) -> None:
        caller = getattr(request.state, "analytics_caller", None)
        line = {
            "request_id": self._request_id,
            "method": self._scope["method"],
            "route": getattr(self._scope.get("route"), "path_format", None),
            "job_id": _job_id(self._scope),
            "status": self._status,
            "bytes": self._bytes,
            "milliseconds": round((time.monotonic() - self._began) * 1000, 1),
            "client": _address(request),
            "user_id": str(caller.user_id) if caller else None,
        }
        logger.info("request", extra=line)

    def measured(self) -> tuple[str, str, int, float, int]:
        """Method, route, status, seconds and bytes; no value that clients can choose freely."""
        method = self._scope["method"]
        route = getattr(self._scope.get("route"), "path_format", "")
        known = method if method in METHODS else "other"
        return known, route, self._status, time.monotonic() - self._began, self._bytes

    def _complete(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The headers of the response with the standard ones added."""
        standard = {**STANDARD_HEADERS, "X-Request-Id": self._request_id}
        given = {name.lower() for name, _ in headers}
        more = ((name.lower().encode(), value.encode()) for name, value in standard.items())
        return [*headers, *((name, value) for name, value in more if name not in given)]


def _address(request: Request) -> str | None:
    """The client address. A proxy may forward any text in its place: only a valid IP address is used."""
    return _valid_address(request.client.host) if request.client else None


@lru_cache
def _valid_address(host: str) -> str | None:
    try:
        return str(ip_address(host))
    except ValueError:
        return None


def _job_id(scope: Scope) -> str | None:
    """The export of a request: the one it created, or the one in its path."""
    job_id = scope["state"].get("analytics_job_id") or scope.get("path_params", {}).get("job_id")
    return job_id and str(job_id)
