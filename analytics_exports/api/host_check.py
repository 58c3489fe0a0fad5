"""Middleware that refuses requests for other host names than the service's own, against DNS rebinding.

Starlette's TrustedHostMiddleware responds in plain text; the contract requires a problem document.
"""

from collections.abc import Collection
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from analytics_exports.api.errors import UnknownHost
from analytics_exports.settings import Settings

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})


def allowed_hosts(settings: Settings) -> frozenset[str]:
    """The accepted names in the Host header; an empty set accepts any."""
    named = frozenset(name.strip().lower() for name in settings.allowed_hosts.split(",") if name.strip())
    if named or settings.api_host not in LOOPBACK_HOSTS:
        return named
    return LOOPBACK_HOSTS


class HostCheckMiddleware:
    """ASGI middleware that raises UnknownHost, which the middleware around it renders."""

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        """Accept requests for ``hosts``, or for any host when there are none."""
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] == "http" and self._hosts:
            address, _ = scope.get("server") or ("", 0)
            if _host_name(Headers(scope=scope).get("host", address)) not in self._hosts:
                raise UnknownHost
        await self._app(scope, receive, send)


@lru_cache
def _host_name(host: str) -> str | None:
    """The name in a Host header, in lower case; ``None`` when it has none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
