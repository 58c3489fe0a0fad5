"""The service in memory, as an httpx transport: the contract of one export and its file, and injected failures.

It answers as the contract says. A test queues what should happen instead: whole answers in ``instead``, and in ``cuts``
after how many bytes the next downloads break off.
"""

import asyncio
import base64
import hashlib
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from inspect import iscoroutinefunction
from typing import Any, cast
from uuid import UUID, uuid4

import httpx

from analytics_exports.client import AsyncClient, AsyncExport, Client, Retries
from analytics_exports.client.exchange import Exchange
from analytics_exports.client.transport import BlockingTransport
from analytics_exports.contract import BASE_PATH
from analytics_exports.contract.problems import MEDIA_TYPE
from analytics_exports.domain.dataset import dataset_id
from analytics_exports.domain.errors import ExportError
from analytics_exports_tests.factories import NOW

URL = "http://service.test"
TOKEN = "aex_a-secret-that-must-not-be-seen"
DATASET = "fct_sales"
CONTENT = bytes(range(256)) * 40
PIECE = 100


class Body(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A body in pieces, which breaks off after ``cut`` bytes."""

    def __init__(self, content: bytes, cut: int | None) -> None:
        self._content = content
        self._cut = cut

    def __iter__(self) -> Iterator[bytes]:
        whole = self._content if self._cut is None else self._content[: self._cut]
        for start in range(0, len(whole), PIECE):
            yield whole[start : start + PIECE]
        if self._cut is not None:
            raise httpx.ReadError("The connection was lost.")

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self:
            yield piece


class FakeService:
    """One export of one caller. Set ``status``, ``content``, ``resumable`` and the rest to what the test is about."""

    def __init__(self) -> None:
        self.job_id = uuid4()
        self.status = "completed"
        self.format = "parquet"
        self.options: dict[str, Any] = {}
        self.retry_after = "0"
        self.content = CONTENT
        self.promised: str | None = None
        self.resumable = True
        self.error: dict[str, Any] | None = None
        self.file_name = 'attachment; filename="sales.parquet"'
        self.instead: deque[httpx.Response | Exception | Callable[[], None]] = deque()
        self.cuts: deque[int] = deque()
        self.requests: list[httpx.Request] = []
        self.history = [self.job_id]
        self.created: dict[str, UUID] = {}

    @property
    def transport(self) -> httpx.MockTransport:
        """For blocking and asynchronous clients alike."""
        return httpx.MockTransport(self.answer)

    @property
    def sha256(self) -> str:
        """Of the file as it is now."""
        return hashlib.sha256(self.content).hexdigest()

    def asked(self, method: str, ending: str) -> list[httpx.Request]:
        """The requests so far of this kind."""
        return [item for item in self.requests if item.method == method and item.url.path.endswith(ending)]

    def then(self, *statuses: str) -> None:
        """The export stands so at the next requests, one after the other."""
        self.instead.extend(partial(setattr, self, "status", status) for status in statuses)

    def answer(self, request: httpx.Request) -> httpx.Response:
        """What happens to a request."""
        self.requests.append(request)
        if self.instead:
            planned = self.instead.popleft()
            if isinstance(planned, Exception):
                raise planned
            if isinstance(planned, httpx.Response):
                return httpx.Response(planned.status_code, headers=planned.headers, stream=Body(planned.read(), None))
            planned()
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return problem(HTTPStatus.UNAUTHORIZED, "invalid_token")
        export = f"/exports/{self.job_id}"
        routes = {
            ("GET", "/datasets"): self._datasets,
            ("GET", "/exports"): self._list,
            ("POST", "/exports"): self._create,
            ("POST", f"{export}/retry"): self._create,
            ("GET", export): self._describe,
            ("DELETE", export): self._cancel,
            ("GET", f"{export}/download"): self._download,
            ("HEAD", f"{export}/download"): self._download,
        }
        route = routes.get((request.method, request.url.path.removeprefix(BASE_PATH)))
        return route(request) if route else problem(HTTPStatus.NOT_FOUND, "export_not_found")

    def facts(self) -> dict[str, Any]:
        """The status document."""
        done = self.status in {"completed", "expired"}
        return {
            "job_id": str(self.job_id),
            "status": self.status,
            "dataset_id": str(dataset_id(DATASET)),
            "dataset_name": DATASET,
            "format": self.format,
            "row_count": 3 if done else None,
            "file_size_bytes": len(self.content) if done else None,
            "download_url": None,
            "expires_at": None,
            "created_at": NOW.isoformat(),
            "completed_at": (NOW + timedelta(seconds=1)).isoformat() if done else None,
            "sha256": (self.promised or self.sha256) if done else None,
            "data_as_of": None,
            "attempt": 1,
            "error": self.error,
            "columns": None,
            "options": self.options,
            "a_field_of_tomorrow": True,
        }

    def _datasets(self, request: httpx.Request) -> httpx.Response:
        offers = {"date_column": None, "account_id_column": None, "tag_id_column": None}
        dataset: dict[str, Any] = {
            "id": str(dataset_id(DATASET)),
            "dataset_name": DATASET,
            "friendly_name": "Sales",
            "description": "",
            "group": None,
            "time_grain": None,
            "filters": {**offers, "enum_filters": [], "numeric_filters": []},
        }
        return httpx.Response(HTTPStatus.OK, json={"datasets": [dataset]})

    def _list(self, request: httpx.Request) -> httpx.Response:
        params = request.url.params
        limit, start = min(int(params.get("limit", 2)), 2), int(params.get("cursor", 0))
        items = [{**self.facts(), "job_id": str(job_id)} for job_id in self.history[start : start + limit]]
        more = start + limit < len(self.history)
        following = request.url.copy_merge_params({"cursor": start + limit}).copy_with(host="elsewhere.test")
        headers = {"Link": f'<{following}>; rel="next"'} if more else {}
        body = {"exports": items, "next_cursor": str(start + limit) if more else None}
        return httpx.Response(HTTPStatus.OK, json=body, headers=headers)

    def _describe(self, request: httpx.Request) -> httpx.Response:
        live = self.status in {"pending", "running"}
        return httpx.Response(
            HTTPStatus.OK, json=self.facts(), headers={"Retry-After": self.retry_after} if live else {}
        )

    def _cancel(self, request: httpx.Request) -> httpx.Response:
        self.status = "cancelled"
        return httpx.Response(HTTPStatus.ACCEPTED, json=self.facts())

    def _create(self, request: httpx.Request) -> httpx.Response:
        job_id = self.created.setdefault(request.headers["Idempotency-Key"], self.job_id)
        return httpx.Response(
            HTTPStatus.ACCEPTED, json={"job_id": str(job_id), "status": "pending", "message": "Export job created"}
        )

    def _download(self, request: httpx.Request) -> httpx.Response:
        if self.status == "expired":
            return problem(HTTPStatus.GONE, "export_expired")
        etag = f'"{self.promised or self.sha256}"'
        digest = base64.b64encode(bytes.fromhex(self.sha256)).decode()
        headers = {"ETag": etag, "Repr-Digest": f"sha-256=:{digest}:", "Content-Disposition": self.file_name}
        start = self._start(request, etag)
        rest = b"" if request.method == "HEAD" else self.content[start:]
        status = HTTPStatus.OK
        if start:
            status = HTTPStatus.PARTIAL_CONTENT
            headers["Content-Range"] = f"bytes {start}-{len(self.content) - 1}/{len(self.content)}"
        headers["Content-Length"] = str(len(self.content) - start)
        cut = self.cuts.popleft() if self.cuts and rest else None
        return httpx.Response(status, headers=headers, stream=Body(rest, cut))

    def _start(self, request: httpx.Request, etag: str) -> int:
        asked = re.fullmatch(r"bytes=(\d+)-", request.headers.get("Range", ""))
        if asked and self.resumable and request.headers.get("If-Range") == etag:
            return int(asked[1])
        return 0


class Driven:
    """An asynchronous client or export, used like a blocking one: each call has an event loop of its own."""

    def __init__(self, inner: AsyncClient | AsyncExport) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        return partial(self._run, value) if iscoroutinefunction(value) else value

    def _run(self, function: Callable[..., Coroutine[Any, Any, Any]], *arguments: Any, **options: Any) -> Any:
        result = asyncio.run(function(*arguments, **options))
        return Driven(result) if isinstance(result, AsyncExport) else result


def connected(kind: str, service: FakeService, retries: Retries | None = None) -> Client:
    """A client of ``service``, ``blocking`` or ``asynchronous``; both are used in the same way."""
    retries = retries or Retries(first_seconds=0)
    if kind == "blocking":
        return Client(URL, TOKEN, retries=retries, transport=service.transport)
    return cast("Client", Driven(AsyncClient(URL, TOKEN, retries=retries, transport=service.transport)))


class RecordingTransport(BlockingTransport):
    """Notes the pauses instead of making them."""

    def __init__(self, service: FakeService) -> None:
        super().__init__(5, service.transport)
        self.pauses: list[float] = []

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)


def noting(service: FakeService) -> tuple[Exchange, list[float]]:
    """An exchange with ``service``, and where the pauses are noted that it would make."""
    transport = RecordingTransport(service)
    return Exchange(URL, TOKEN, transport, Retries()), transport.pauses


def problem(status: HTTPStatus, code: str, *, retry_after: str | None = None, **more: Any) -> httpx.Response:
    """An error as the service words it."""
    body = {
        "type": "about:blank",
        "title": status.phrase,
        "status": status,
        "detail": "Said so.",
        "code": code,
        "request_id": "r1",
        **more,
    }
    headers = {"Content-Type": MEDIA_TYPE, **({"Retry-After": retry_after} if retry_after else {})}
    return httpx.Response(status, json=body, headers=headers)


def unavailable(error: type[ExportError], retry_after: str | None = "0") -> httpx.Response:
    """The service says "not now"."""
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, error.code, retry_after=retry_after)
