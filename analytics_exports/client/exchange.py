"""One request and its response: URL, token, retries, errors and models, over any Transport.

The endpoints belong to ``operations`` and ``exports``.
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
from analytics_exports.client.transport import BodyHandler, ChunkWriter, Transport
from analytics_exports.contract import BASE_PATH
from analytics_exports.domain.errors import ExportError, InvalidToken

T = TypeVar("T")
Model = TypeVar("Model", bound=BaseModel)

QueryParams = httpx.QueryParams | Mapping[str, str | int | Sequence[str]]


class Exchange:
    """Sends requests to one service with one token. The token appears in no representation."""

    def __init__(self, base_url: str, token: str, transport: Transport, retries: Retries) -> None:
        """Validate the URL and the token; nothing is sent yet.

        Raises:
            ValueError: ``base_url`` is not an http or https URL.
            InvalidToken: ``token`` cannot be sent in a header.
        """
        self.url = service_url(base_url)
        self.transport = transport
        self._retries = retries
        self._headers = {
            "Authorization": f"Bearer {_secret(token)}",
            "User-Agent": f"analytics-exports/{version('analytics-exports')}",
            "Accept-Encoding": "identity",  # the checksum is of the file as stored
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
        """A request below the service's URL, with the token."""
        content = None if body is None else body.model_dump_json(exclude_unset=True)
        own = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        return httpx.Request(
            method, f"{self.url}{path}", params=params, headers={**own, **(headers or {})}, content=content
        )

    async def get(self, path: str, model: type[Model], params: QueryParams | None = None) -> Model:
        """Send a GET request."""
        return parsed(model, await self.send(self.request("GET", path, params=params)))

    async def post(self, path: str, model: type[Model], body: BaseModel | None = None) -> Model:
        """Send a POST request with an idempotency key, so that retries have no further effect."""
        headers = {"Idempotency-Key": f'"{uuid4()}"'}
        return parsed(model, await self.send(self.request("POST", path, body=body, headers=headers)))

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send a request, with retries. Raises as ``send_once``."""
        return await self.with_retries(lambda: self.send_once(request))

    def next_page(self, response: httpx.Response, path: str) -> httpx.Request | None:
        """The request for the page after ``response``, by its Link header; ``None`` on the last page.

        Only the parameters of the link are used, so that the token is sent nowhere else.
        """
        link = response.links.get("next")
        return self.request("GET", path, params=httpx.URL(link["url"]).params) if link else None

    async def with_retries(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """The result of ``attempt``, which is repeated after a pause while its error is retryable."""
        number = 1
        while True:
            try:
                return await attempt()
            except ExportError as error:
                pause = self._retries.pause(number, errors.requested_pause(error)) if error.retryable else None
                if pause is None:
                    raise
            await self.transport.sleep(pause)
            number += 1

    async def send_once(self, request: httpx.Request, handle_body: BodyHandler | None = None) -> httpx.Response:
        """Send a request once and return the response, a success or 304.

        Args:
            handle_body: Returns where the body of a success goes; into memory by default.

        Raises:
            ExportError: the error in the response; ServiceUnreachable when there was none, or it broke off.
        """

        def handle(response: httpx.Response) -> ChunkWriter | None:
            return handle_body(response) if handle_body and response.is_success else None

        try:
            response = await self.transport.send(request, handle)
        except httpx.TransportError as reason:
            raise errors.ServiceUnreachable from reason
        if not response.is_success and response.status_code != HTTPStatus.NOT_MODIFIED:
            raise errors.error_from_response(response)
        return response


def parsed(model: type[Model], response: httpx.Response) -> Model:
    """The body of a response. Raises UnexpectedAnswer when it is not one of this service."""
    try:
        return model.model_validate_json(response.content)
    except ValidationError:
        raise errors.UnexpectedAnswer from None


def service_url(base_url: str) -> str:
    """The base URL of the endpoints, without a trailing slash. Raises ValueError."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme not in {"http", "https"} or not url.host or url.userinfo or url.query or url.fragment:
        raise ValueError("The address must look like https://host or https://host/path.")
    return str(url).rstrip("/").removesuffix(BASE_PATH) + BASE_PATH


def _secret(token: str) -> str:
    """The token without surrounding whitespace."""
    token = token.strip()
    if not (token and token.isascii() and token.isprintable() and " " not in token):
        raise InvalidToken
    return token
