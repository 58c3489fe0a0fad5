"""Routes that parse bodies strictly and render every error as a problem, also inside a host application.

The caller is authenticated first: errors in a body are reported only to clients that may send one.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope

from analytics_exports.api.errors import BodyTooLarge, MalformedBody, RequestTimeout, UnsupportedMediaType
from analytics_exports.api.problems import STANDARD_HEADERS, error_response, request_id
from analytics_exports.api.state import ApiState
from analytics_exports.contract import strict_json
from analytics_exports.domain.errors import ExportError

JSON = "application/json"


class StrictRequest(Request):
    """A request whose body is read within limits, as strict JSON.

    Attributes:
        refusal: Why the body is unusable; the route then gets none, and fails in validation after authentication.
    """

    refusal: ExportError | None = None

    def __init__(self, scope: Scope, receive: Receive, *, limit: int, seconds: float) -> None:
        """Read at most ``limit`` bytes within ``seconds``."""
        super().__init__(scope, receive)
        self._limit = limit
        self._seconds = seconds
        self._content: bytes | None = None

    async def body(self) -> bytes:
        """The body; empty when it is unusable."""
        if self._content is None:
            try:
                async with asyncio.timeout(self._seconds):
                    self._content = await self._read()
            except TimeoutError:
                self._content, self.refusal = b"", RequestTimeout()
        return self._content

    async def json(self) -> Any:  # noqa: ANN401 - JSON
        """The value of the body; ``None`` when it is unusable."""
        try:
            return strict_json.loads(await self.body())
        except ValueError:
            self.refusal = MalformedBody()
        return None

    async def _read(self) -> bytes:
        content = bytearray()
        async for chunk in self.stream():
            content += chunk
            if len(content) > self._limit:
                self.refusal = BodyTooLarge()
                return b""
        if content and self.headers.get("content-type", "").partition(";")[0].strip().lower() != JSON:
            self.refusal = UnsupportedMediaType()
            return b""
        return bytes(content)


class StrictRoute(APIRoute):
    """A route of the API. ``state`` is set in a subclass for each router."""

    state: ClassVar[ApiState]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """FastAPI's handler, with a StrictRequest, standard headers and rendered errors."""
        answer = super().get_route_handler()
        settings = self.state.services.settings

        async def handle(request: Request) -> Response:
            request.state.analytics_state = self.state
            strict = StrictRequest(
                request.scope, request.receive, limit=settings.max_body_bytes, seconds=settings.body_seconds
            )
            try:
                response = await answer(strict)
            except RequestValidationError as error:
                return error_response(strict, strict.refusal or error)
            except Exception as error:  # noqa: BLE001 - every error gets a response
                return error_response(strict, error)
            for name, value in {**STANDARD_HEADERS, "X-Request-Id": request_id(strict)}.items():
                response.headers.setdefault(name, value)
            return response

        return handle


def route_class(state: ApiState) -> type[StrictRoute]:
    """A subclass of StrictRoute for a router with this state."""
    return type("AnalyticsRoute", (StrictRoute,), {"state": state})
