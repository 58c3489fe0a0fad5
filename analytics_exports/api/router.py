"""The whole HTTP interface in one table: addresses, methods, scopes, errors.

``analytics_router`` can be included by any FastAPI application, with its own idea of who calls:

    app = FastAPI(lifespan=running(services))
    app.include_router(analytics_router(services, get_current_user=current_user))
"""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, Depends, Response

from analytics_exports.api import errors as http
from analytics_exports.api.authentication import get_current_user as by_token
from analytics_exports.api.deps import authenticated
from analytics_exports.api.described import ADDRESSED, READ, SELECTED, SENT, STORED, described, header
from analytics_exports.api.gate import Gate
from analytics_exports.api.routes import datasets, downloads, exports, me, status, tokens
from analytics_exports.api.strict import route_class
from analytics_exports.bootstrap import Application
from analytics_exports.contract import BASE_PATH
from analytics_exports.contract.lists import ExportList
from analytics_exports.contract.responses import ExportAccepted, ExportOut, PageOut, ReadinessOut
from analytics_exports.domain import errors
from analytics_exports.domain.access import Scope
from analytics_exports.domain.formats import MEDIA_TYPES

Answers = Mapping[int | str, dict[str, Any]]

LOCATION = header("Where to follow the export.", format="uri-reference")
RETRY_AFTER = header("Seconds after which to ask again; it grows with the age of the export.", pattern="^[0-9]+$")
ETAG = header("Of this version.")
BYTES = {"schema": {"type": "string", "format": "binary"}}
FILES = dict.fromkeys(MEDIA_TYPES, BYTES)
FILE_HEADERS = {
    "ETag": header("SHA-256 of the file, in hex, in quotes."),
    "Repr-Digest": header("SHA-256 of the whole file (RFC 9530)."),
    "Content-Disposition": header("A name for the file."),
    "Accept-Ranges": header("bytes"),
}

LONG: Answers = {
    400: {
        "description": "The address is longer than the server reads, 64 KiB; an export takes its filters in a body.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}
PAGED: Answers = {200: {"headers": {"Link": header('The next page, rel="next".')}}}
UNREADY: Answers = {503: {"model": ReadinessOut, "description": "Not ready."}}
ACCEPTED: Answers = {
    200: {
        "model": ExportOut,
        "description": "The export ended while you waited for it.",
        "headers": {"Location": LOCATION, "Content-Location": LOCATION, "ETag": ETAG},
    },
    202: {"description": "The export is on its way.", "headers": {"Location": LOCATION, "Retry-After": RETRY_AFTER}},
}
STANDING: Answers = {
    200: {"headers": {"ETag": ETAG, "Retry-After": RETRY_AFTER}},
    304: {"description": "If-None-Match names this version: nothing has changed."},
}
REMOVED: Answers = {
    202: {"description": "The export is cancelled."},
    204: {"description": "There is no file, or not any more."},
}
DOWNLOADED: Answers = {
    200: {"description": "The file.", "content": FILES, "headers": FILE_HEADERS},
    206: {
        "description": "The parts of the file that Range asks for.",
        "content": {**FILES, "multipart/byteranges": BYTES},
        "headers": FILE_HEADERS,
    },
    304: {"description": "If-None-Match names the file: you have it already."},
}

SUBMITTED = (
    *SENT,
    *SELECTED,
    http.InvalidIdempotencyKey,
    errors.IdempotencyKeyInUse,
    errors.IdempotencyKeyReused,
    errors.StorageFull,
    errors.StorageUnavailable,
    errors.TooManyExports,
)
TRANSFERRED = (
    *ADDRESSED,
    http.PreconditionFailed,
    http.RangeNotSatisfiable,
    http.TooManyDownloads,
    errors.ExportExpired,
    errors.ExportNotReady,
    errors.ExportUnavailable,
    errors.StorageUnavailable,
)


def analytics_router(services: Application, get_current_user: Callable[..., Any] | None = None) -> APIRouter:
    """The API over ``services``, at the addresses of the contract.

    Args:
        get_current_user: A FastAPI dependency that returns the Principal who calls, or raises InvalidToken; instead of
            API tokens. Callers that are not known become users.
    """
    route = route_class(Gate(services))
    caller = authenticated(get_current_user or by_token, admit=get_current_user is not None)
    private = APIRouter(route_class=route, dependencies=[Depends(caller)])
    public = APIRouter(route_class=route)
    _status(public, private)
    _datasets(private)
    _exports(private)
    _files(public, private)
    _tokens(private)
    private.get("/me", **described("me", errors.UserNotFound, *STORED, scope=Scope.DATASETS_READ))(me.get_me)
    if get_current_user is None:
        _session(public, private)
    whole = APIRouter(prefix=BASE_PATH)
    whole.include_router(public)
    whole.include_router(private)
    return whole


def _status(public: APIRouter, private: APIRouter) -> None:
    ready = described("status", errors.InternalFailure, success=UNREADY)
    public.get("/healthz", **described("status", status_code=204))(status.get_liveness)
    public.get("/readyz", **ready)(status.get_readiness)
    public.get("/errors/{code}", **described("status", http.RouteNotFound, *ADDRESSED))(status.get_error)
    private.get("/status", **described("status", *STORED, scope=Scope.DATASETS_READ))(status.get_status)


def _datasets(router: APIRouter) -> None:
    listed = described("datasets", errors.CatalogueUnavailable, *STORED, scope=Scope.DATASETS_READ)
    known = described("datasets", *SELECTED, scope=Scope.DATASETS_READ)
    rows = described("datasets", *READ, scope=Scope.DATASETS_READ, success={**PAGED, **LONG}, response_model=PageOut)
    router.get("/formats", **described("datasets", *STORED, scope=Scope.DATASETS_READ))(datasets.list_formats)
    router.get("/datasets", **listed)(datasets.list_datasets)
    router.get("/datasets/{dataset_id}/schema", **known)(datasets.get_schema)
    router.get("/datasets/{dataset_id}/query", **rows)(datasets.query_dataset)
    router.get("/datasets/{dataset_id}/preview", **rows)(datasets.preview_dataset)


def _exports(router: APIRouter) -> None:
    tag, create, read, cancel = "exports", Scope.EXPORTS_CREATE, Scope.EXPORTS_READ, Scope.EXPORTS_CANCEL
    new: dict[str, Any] = {"status_code": 202, "response_model": ExportAccepted, "success": ACCEPTED}
    again = (errors.ExportNotFound, errors.ExportConflict)
    sized = described(tag, *SENT, *READ, scope=Scope.DATASETS_READ)
    listed = described(tag, *ADDRESSED, scope=read, success=PAGED, response_model=ExportList)
    followed = described(tag, errors.ExportNotFound, *ADDRESSED, scope=read, success=STANDING, response_model=ExportOut)
    gone = (errors.ExportNotFound, errors.StorageUnavailable, *ADDRESSED)
    removed = described(tag, *gone, scope=cancel, success=REMOVED, status_code=202, response_model=ExportOut)
    router.post("/exports/estimate", **sized)(exports.estimate_export)
    router.post("/exports", **described(tag, *SUBMITTED, scope=create, **new))(exports.create_export)
    router.get("/exports", **listed)(exports.list_exports)
    router.get("/exports/{job_id:uuid}", **followed)(exports.get_export)
    router.delete("/exports/{job_id:uuid}", **removed)(exports.remove_export)
    router.post("/exports/{job_id:uuid}/retry", **described(tag, *again, *SUBMITTED, scope=create, **new))(
        exports.retry_export
    )


def _files(public: APIRouter, private: APIRouter) -> None:
    sent: dict[str, Any] = {"success": DOWNLOADED, "response_class": Response}
    own = described("files", errors.ExportNotFound, *TRANSFERRED, scope=Scope.EXPORTS_DOWNLOAD, **sent)
    linked = described("files", errors.InvalidLink, *TRANSFERRED, **sent)
    refused = (errors.ExportNotFound, errors.ExportConflict, *ADDRESSED)
    private.get("/exports/{job_id:uuid}/download", **own)(downloads.download_export)
    private.head("/exports/{job_id:uuid}/download", **own)(downloads.download_export)
    private.post("/exports/{job_id:uuid}/link", **described("files", *refused, scope=Scope.EXPORTS_DOWNLOAD))(
        downloads.create_link
    )
    public.get("/downloads/{link}", **linked)(downloads.download_link)
    public.head("/downloads/{link}", **linked)(downloads.download_link)


def _tokens(router: APIRouter) -> None:
    issued = described("tokens", errors.UserNotFound, *SENT, scope=Scope.ADMIN, status_code=201)
    rotated = described("tokens", errors.TokenNotFound, *SENT, scope=Scope.ADMIN, status_code=201)
    revoked = described("tokens", errors.TokenNotFound, *ADDRESSED, scope=Scope.ADMIN, status_code=204)
    router.get("/admin/users/{user_id}/tokens", **described("tokens", *ADDRESSED, scope=Scope.ADMIN))(
        tokens.list_tokens
    )
    router.post("/admin/users/{user_id}/tokens", **issued)(tokens.issue_token)
    router.post("/admin/tokens/{token_id}/rotate", **rotated)(tokens.rotate_token)
    router.delete("/admin/tokens/{token_id}", **revoked)(tokens.revoke_token)


def _session(public: APIRouter, private: APIRouter) -> None:
    opened = described("me", *STORED, scope=Scope.DATASETS_READ, status_code=204)
    private.post("/session", **opened)(me.sign_in)
    public.delete("/session", **described("me", status_code=204))(me.sign_out)
