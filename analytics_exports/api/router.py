"""The whole HTTP API in one table: paths, methods, scopes, errors.

``analytics_router`` can be included in any FastAPI application, with its own authentication:

    app = FastAPI(lifespan=running(services))
    app.include_router(analytics_router(services, get_current_user=current_user))
"""

from collections.abc import Callable, Mapping
from typing import Any

from fastapi import APIRouter, Depends, Response

from analytics_exports.api import errors as http
from analytics_exports.api.authentication import get_current_user as by_token
from analytics_exports.api.deps import caller_dependency
from analytics_exports.api.route_docs import (
    BODY_ERRORS,
    DATABASE_ERRORS,
    DATASET_ERRORS,
    QUERY_ERRORS,
    REQUEST_ERRORS,
    header,
    route_docs,
)
from analytics_exports.api.routes import datasets, downloads, exports, me, status, tokens
from analytics_exports.api.state import ApiState
from analytics_exports.api.strict import route_class
from analytics_exports.bootstrap.api import ApiServices
from analytics_exports.contract import BASE_PATH
from analytics_exports.contract.lists import ExportList
from analytics_exports.contract.responses import ExportAccepted, ExportOut, PageOut, ReadinessOut
from analytics_exports.domain import errors
from analytics_exports.domain.access import Scope
from analytics_exports.domain.formats import MEDIA_TYPES

ResponseDocs = Mapping[int | str, dict[str, Any]]

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

ADDRESS_TOO_LONG: ResponseDocs = {
    400: {
        "description": "The address is longer than the server reads, 64 KiB; an export takes its filters in a body.",
        "content": {"text/plain": {"schema": {"type": "string"}}},
    }
}
PAGE_RESPONSE: ResponseDocs = {200: {"headers": {"Link": header('The next page, rel="next".')}}}
NOT_READY_RESPONSE: ResponseDocs = {503: {"model": ReadinessOut, "description": "Not ready."}}
ACCEPTED_RESPONSES: ResponseDocs = {
    200: {
        "model": ExportOut,
        "description": "The export ended while you waited for it.",
        "headers": {"Location": LOCATION, "Content-Location": LOCATION, "ETag": ETAG},
    },
    202: {"description": "The export is on its way.", "headers": {"Location": LOCATION, "Retry-After": RETRY_AFTER}},
}
STATUS_RESPONSES: ResponseDocs = {
    200: {"headers": {"ETag": ETAG, "Retry-After": RETRY_AFTER}},
    304: {"description": "If-None-Match names this version: nothing has changed."},
}
REMOVE_RESPONSES: ResponseDocs = {
    202: {"description": "The export is cancelled."},
    204: {"description": "There is no file, or not any more."},
}
DOWNLOAD_RESPONSES: ResponseDocs = {
    200: {"description": "The file.", "content": FILES, "headers": FILE_HEADERS},
    206: {
        "description": "The parts of the file that Range asks for.",
        "content": {**FILES, "multipart/byteranges": BYTES},
        "headers": FILE_HEADERS,
    },
    304: {"description": "If-None-Match names the file: you have it already."},
}

SUBMIT_ERRORS = (
    *BODY_ERRORS,
    *DATASET_ERRORS,
    http.InvalidIdempotencyKey,
    errors.IdempotencyKeyInUse,
    errors.IdempotencyKeyReused,
    errors.StorageFull,
    errors.StorageUnavailable,
    errors.TooManyExports,
)
DOWNLOAD_ERRORS = (
    *REQUEST_ERRORS,
    http.PreconditionFailed,
    http.RangeNotSatisfiable,
    http.TooManyDownloads,
    errors.ExportExpired,
    errors.ExportNotReady,
    errors.ExportUnavailable,
    errors.StorageUnavailable,
)


def analytics_router(services: ApiServices, get_current_user: Callable[..., Any] | None = None) -> APIRouter:
    """The API over ``services``, at the paths of the contract.

    Args:
        get_current_user: A FastAPI dependency that returns the calling Principal, or raises InvalidToken; it replaces
            API tokens. Unknown callers become users.
    """
    route = route_class(ApiState(services))
    caller = caller_dependency(get_current_user or by_token, register=get_current_user is not None)
    private = APIRouter(route_class=route, dependencies=[Depends(caller)])
    public = APIRouter(route_class=route)
    _status(public, private)
    _datasets(private)
    _exports(private)
    _files(public, private)
    _tokens(private)
    private.get("/me", **route_docs("me", errors.UserNotFound, *DATABASE_ERRORS, scope=Scope.DATASETS_READ))(me.get_me)
    if get_current_user is None:
        _session(public, private)
    public.routes.extend(private.routes)  # in one router: each that includes others looks for a match once more
    whole = APIRouter(prefix=BASE_PATH)
    whole.include_router(public)
    return whole


def _status(public: APIRouter, private: APIRouter) -> None:
    ready = route_docs("status", errors.InternalFailure, success=NOT_READY_RESPONSE)
    public.get("/healthz", **route_docs("status", status_code=204))(status.get_liveness)
    public.get("/readyz", **ready)(status.get_readiness)
    public.get("/errors/{code}", **route_docs("status", http.RouteNotFound, *REQUEST_ERRORS))(status.get_error)
    private.get("/status", **route_docs("status", *DATABASE_ERRORS, scope=Scope.DATASETS_READ))(status.get_status)


def _datasets(router: APIRouter) -> None:
    listed = route_docs("datasets", errors.CatalogueUnavailable, *DATABASE_ERRORS, scope=Scope.DATASETS_READ)
    known = route_docs("datasets", *DATASET_ERRORS, scope=Scope.DATASETS_READ)
    rows = route_docs(
        "datasets",
        *QUERY_ERRORS,
        scope=Scope.DATASETS_READ,
        success={**PAGE_RESPONSE, **ADDRESS_TOO_LONG},
        response_model=PageOut,
    )
    router.get("/formats", **route_docs("datasets", *DATABASE_ERRORS, scope=Scope.DATASETS_READ))(datasets.list_formats)
    router.get("/datasets", **listed)(datasets.list_datasets)
    router.get("/datasets/{dataset_id}/schema", **known)(datasets.get_schema)
    router.get("/datasets/{dataset_id}/query", **rows)(datasets.query_dataset)
    router.get("/datasets/{dataset_id}/preview", **rows)(datasets.preview_dataset)


def _exports(router: APIRouter) -> None:
    tag, create, read, cancel = "exports", Scope.EXPORTS_CREATE, Scope.EXPORTS_READ, Scope.EXPORTS_CANCEL
    new: dict[str, Any] = {"status_code": 202, "response_model": ExportAccepted, "success": ACCEPTED_RESPONSES}
    again = (errors.ExportNotFound, errors.ExportConflict)
    sized = route_docs(tag, *BODY_ERRORS, *QUERY_ERRORS, scope=Scope.DATASETS_READ)
    listed = route_docs(tag, *REQUEST_ERRORS, scope=read, success=PAGE_RESPONSE, response_model=ExportList)
    followed = route_docs(
        tag, errors.ExportNotFound, *REQUEST_ERRORS, scope=read, success=STATUS_RESPONSES, response_model=ExportOut
    )
    gone = (errors.ExportNotFound, errors.StorageUnavailable, *REQUEST_ERRORS)
    removed = route_docs(tag, *gone, scope=cancel, success=REMOVE_RESPONSES, status_code=202, response_model=ExportOut)
    router.post("/exports/estimate", **sized)(exports.estimate_export)
    router.post("/exports", **route_docs(tag, *SUBMIT_ERRORS, scope=create, **new))(exports.create_export)
    router.get("/exports", **listed)(exports.list_exports)
    router.get("/exports/{job_id:uuid}", **followed)(exports.get_export)
    router.delete("/exports/{job_id:uuid}", **removed)(exports.remove_export)
    router.post("/exports/{job_id:uuid}/retry", **route_docs(tag, *again, *SUBMIT_ERRORS, scope=create, **new))(
        exports.retry_export
    )


def _files(public: APIRouter, private: APIRouter) -> None:
    sent: dict[str, Any] = {"success": DOWNLOAD_RESPONSES, "response_class": Response}
    own = route_docs("files", errors.ExportNotFound, *DOWNLOAD_ERRORS, scope=Scope.EXPORTS_DOWNLOAD, **sent)
    linked = route_docs("files", errors.InvalidLink, *DOWNLOAD_ERRORS, **sent)
    refused = (errors.ExportNotFound, errors.ExportConflict, *REQUEST_ERRORS)
    private.get("/exports/{job_id:uuid}/download", **own)(downloads.download_export)
    private.head("/exports/{job_id:uuid}/download", **own)(downloads.download_export)
    private.post("/exports/{job_id:uuid}/link", **route_docs("files", *refused, scope=Scope.EXPORTS_DOWNLOAD))(
        downloads.create_link
    )
    public.get("/downloads/{link}", **linked)(downloads.download_link)
    public.head("/downloads/{link}", **linked)(downloads.download_link)


def _tokens(router: APIRouter) -> None:
    issued = route_docs("tokens", errors.UserNotFound, *BODY_ERRORS, scope=Scope.ADMIN, status_code=201)
    rotated = route_docs("tokens", errors.TokenNotFound, *BODY_ERRORS, scope=Scope.ADMIN, status_code=201)
    revoked = route_docs("tokens", errors.TokenNotFound, *REQUEST_ERRORS, scope=Scope.ADMIN, status_code=204)
    router.get("/admin/users/{user_id}/tokens", **route_docs("tokens", *REQUEST_ERRORS, scope=Scope.ADMIN))(
        tokens.list_tokens
    )
    router.post("/admin/users/{user_id}/tokens", **issued)(tokens.issue_token)
    router.post("/admin/tokens/{token_id}/rotate", **rotated)(tokens.rotate_token)
    router.delete("/admin/tokens/{token_id}", **revoked)(tokens.revoke_token)


def _session(public: APIRouter, private: APIRouter) -> None:
    opened = route_docs("me", *DATABASE_ERRORS, scope=Scope.DATASETS_READ, status_code=204)
    private.post("/session", **opened)(me.sign_in)
    public.delete("/session", **route_docs("me", status_code=204))(me.sign_out)
