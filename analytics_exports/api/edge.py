"""The outermost layer: an id for every request, a line in the log for every answer, and an answer whatever happens.

The line has no query string, no header and no body, and of the address only the route: what callers send does not reach
the log. It holds for this service's own application only; an application that includes the router has its own.
"""

import logging
import time
from collections.abc import Callable, Collection
from ipaddress import ip_address
from uuid import uuid4

from fastapi import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from analytics_exports.api.errors import UnknownHost
from analytics_exports.api.problems import STANDARD_HEADERS, render
from analytics_exports.settings import Settings

logger = logging.getLogger("analytics_exports.access")

THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "::1"})
METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST"})
Answered = Callable[[str, str, int, float, int], None]
"""Takes method, route, status, seconds and bytes of an answer."""


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """The names in the Host header that are answered to; none is all."""
    named = frozenset(name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip())
    if named or settings.api_host not in THIS_MACHINE:
        return named
    return THIS_MACHINE


class Edge:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], answered: Answered) -> None:
        """Answer requests for ``hosts``, or for any when there are none, and tell ``answered`` of each answer."""
        self._app = app
        self._hosts = hosts
        self._answered = answered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(scope, send)
        request = Request(scope, receive)
        try:
            if self._hosts and request.url.hostname not in self._hosts:
                await render(request, UnknownHost())(scope, receive, answer.send)
            else:
                await self._app(scope, receive, answer.send)
        except Exception as error:  # noqa: BLE001 - whatever it is, it has an answer
            response = render(request, error)
            if not answer.started:
                await response(scope, receive, answer.send)
        finally:
            answer.log(request)
            self._answered(*answer.measured())


class _Answer:
    """Watches one answer go out."""

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
        """Method, route, status, seconds and bytes; nothing that callers can make up as they like."""
        method = self._scope["method"]
        route = getattr(self._scope.get("route"), "path_format", "")
        known = method if method in METHODS else "other"
        return known, route, self._status, time.monotonic() - self._began, self._bytes

    def _complete(self, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """The headers of the answer, and those that every answer has."""
        standard = {**STANDARD_HEADERS, "X-Request-Id": self._request_id}
        given = {name.lower() for name, _ in headers}
        more = ((name.lower().encode(), value.encode()) for name, value in standard.items())
        return [*headers, *((name, value) for name, value in more if name not in given)]


def _address(request: Request) -> str | None:
    """Where a request comes from. A proxy can pass on whatever its client called itself: only an address is one."""
    try:
        return str(ip_address(request.client.host)) if request.client else None
    except ValueError:
        return None


def _job_id(scope: Scope) -> str | None:
    """The export that a request is about: it asked for it, or named it in its address."""
    job_id = scope["state"].get("analytics_job_id") or scope.get("path_params", {}).get("job_id")
    return job_id and str(job_id)
