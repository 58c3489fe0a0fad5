"""One request and its answer: address, token, retries, errors and models, over any Wire.

What the endpoints are for belongs to ``operations`` and ``exports``.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from importlib.metadata import version
from typing import TypeVar
from uuid import uuid4

import httpx
from pydantic import BaseModel, ValidationError

from analytics_exports.client import errors
from analytics_exports.client.retrying import Retries
from analytics_exports.client.wire import Sink, Taker, Wire
from analytics_exports.contract import BASE_PATH
from analytics_exports.domain.errors import ExportError, InvalidToken

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)

QueryParams = httpx.QueryParams | Mapping[str, str | int | Sequence[str]]


class Exchange:
    """Sends requests to one service as one caller. The token is in no representation."""

    def __init__(self, base_url: str, token: str, wire: Wire, retries: Retries) -> None:
        """Check the address and the token; nothing is sent yet.

        Raises:
            ValueError: ``base_url`` is not an http or https address.
            InvalidToken: ``token`` cannot be sent in a header.
        """
        self.url = service_url(base_url)
        self.wire = wire
        self._retries = retries
        self._headers = {
            "Authorization": f"Bearer {_secret(token)}",
            "User-Agent": f"analytics-exports/{version('analytics-exports')}",
            "Accept-Encoding": "identity",  # a file's checksum is of its stored bytes
        }

    def request(
        self,
        method: str,
        path: str,
        *,
        params: QueryParams | None = None,
        body: BaseModel | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Request:
        """A request below the service's address, as its caller."""
        content = None if body is None else body.model_dump_json(exclude_unset=True)
        own = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        return httpx.Request(
            method, f"{self.url}{path}", params=params, headers={**own, **(headers or {})}, content=content
        )

    async def get(self, path: str, model: type[Model], params: QueryParams | None = None) -> Model:
        """Read something."""
        return parsed(model, await self.send(self.request("GET", path, params=params)))

    async def post(self, path: str, model: type[Model], body: BaseModel | None = None) -> Model:
        """Create something, once however often the request has to be sent."""
        headers = {"Idempotency-Key": f'"{uuid4()}"'}
        return parsed(model, await self.send(self.request("POST", path, body=body, headers=headers)))

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request, again when that can help. Raises what ``once`` raises."""
        return await self.repeated(lambda: self.once(request))

    def next_page(self, response: httpx.Response, path: str) -> httpx.Request | None:
        """The request for what follows a page, by its Link header; ``None`` after the last page.

        Of the link only the parameters are used, so that the token goes nowhere else.
        """
        link = response.links.get("next")
        return self.request("GET", path, params=httpx.URL(link["url"]).params) if link else None

    async def repeated(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The result of ``attempt``, which is made again, after a pause, while its error is retryable."""
        number = 1
        while True:
            try:
                return await attempt()
            except ExportError as error:
                pause = self._retries.pause(number, errors.asked_pause(error)) if error.retryable else None
                if pause is None:
                    raise
            await self.wire.sleep(pause)
            number += 1

    async def once(self, request: httpx.Request, take: Taker | None = None) -> httpx.Response:
        """Send a request a single time and return the answer, a success or 304.

        Args:
            take: Where the body of a success goes; into memory by default.

        Raises:
            ExportError: what the service answered; ServiceUnreachable when there was no answer or it broke off.
        """

        def taken(response: httpx.Response) -> Sink | None:
            return take(response) if take and response.is_success else None

        try:
            response = await self.wire.send(request, taken)
        except httpx.TransportError as reason:
            raise errors.ServiceUnreachable from reason
        if not response.is_success and response.status_code != HTTPStatus.NOT_MODIFIED:
            raise errors.of_answer(response)
        return response


def parsed(model: type[Model], response: httpx.Response) -> Model:
    """The body of an answer. Raises UnexpectedAnswer when it is none of ours."""
    try:
        return model.model_validate_json(response.content)
    except ValidationError:
        raise errors.UnexpectedAnswer from None


def service_url(base_url: str) -> str:
    """The address below which the endpoints are, without a slash at its end. Raises ValueError."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query or url.fragment:
        raise ValueError("The address must look like https://host or https://host/path.")
    return str(url).rstrip("/").removesuffix(BASE_PATH) + BASE_PATH


def _secret(token: str) -> str:
    """The token without the blanks that copying leaves around it."""
    token = token.strip()
    if not (token and token.isascii() and token.isprintable() and " " not in token):
        raise InvalidToken
    return token
