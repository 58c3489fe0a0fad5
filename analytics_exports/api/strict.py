"""Routes that read bodies strictly and answer every error with a problem, also inside another application.

Who the caller is comes first: what is wrong with a body is said only to those who may send one.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope

from analytics_exports.api.errors import BodyTooLarge, MalformedBody, RequestTimeout, UnsupportedMediaType
from analytics_exports.api.gate import Gate
from analytics_exports.api.problems import STANDARD_HEADERS, render, request_id
from analytics_exports.contract import strict_json
from analytics_exports.domain.errors import ExportError

JSON = "application/json"


class StrictRequest(Request):
    """A request whose body is read within limits, as strict JSON.

    Attributes:
        refusal: Why the body is of no use; routes then find none, and fail in validation after authentication.
    """

    refusal: ExportError | None = None

    def __init__(self, scope: Scope, receive: Receive, *, limit: int, seconds: float) -> None:
        """Read at most ``limit`` bytes within ``seconds``."""
        super().__init__(scope, receive)
        self._limit = limit
        self._seconds = seconds
        self._content: bytes | None = None

    async def body(self) -> bytes:
        """The body; empty when it is of no use."""
        if self._content is None:
            try:
                async with asyncio.timeout(self._seconds):
                    self._content = await self._read()
            except TimeoutError:
                self._content, self.refusal = b"", RequestTimeout()
        return self._content

    async def json(self) -> Any:  # noqa: ANN401 - JSON
        """The value in the body; ``None`` when it is of no use."""
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
    """A route of the API. ``gate`` is set in a subclass for each router."""

    gate: ClassVar[Gate]

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler that FastAPI makes, between a strict request and a complete answer."""
        answer = super().get_route_handler()
        settings = self.gate.services.settings

        async def handle(request: Request) -> Response:
            request.state.analytics_gate = self.gate
            strict = StrictRequest(
                request.scope, request.receive, limit=settings.max_body_bytes, seconds=settings.body_seconds
            )
            try:
                response = await answer(strict)
            except RequestValidationError as error:
                return render(strict, strict.refusal or error)
            except Exception as error:  # noqa: BLE001 - whatever it is, it has an answer
                return render(strict, error)
            for name, value in {**STANDARD_HEADERS, "X-Request-Id": request_id(strict)}.items():
                response.headers.setdefault(name, value)
            return response

        return handle


def route_class(gate: Gate) -> type[StrictRoute]:
    """The class of the routes behind ``gate``."""
    return type("AnalyticsRoute", (StrictRoute,), {"gate": gate})
