"""The web page over HTTP: one document that is asked for anew each time, and files that never change.

The files stand below the version of the page, so that the modules of two versions are never mixed in one browser.
"""

import hashlib
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from analytics_exports.api.conditions import unchanged
from analytics_exports.api.errors import RouteNotFound
from analytics_exports.web import MEDIA_TYPES, site

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
"""Nothing inline, nothing from elsewhere, and no script that makes markup out of text."""

PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable", "Cross-Origin-Resource-Policy": "same-origin"}


def page_router() -> APIRouter:
    """The page at ``/`` and its files below ``/static``."""
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/", get_page, methods=["GET", "HEAD"])
    router.add_api_route("/static/{version}/{path:path}", get_asset, methods=["GET", "HEAD"])
    return router


async def get_page(request: Request) -> Response:
    """The document."""
    content = site().entrance
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {**PAGE_HEADERS, "ETag": etag}
    if unchanged(request.headers, etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, headers=headers, media_type=MEDIA_TYPES[".html"])


async def get_asset(version: str, path: str) -> Response:
    """A file of the page. Raises RouteNotFound unless it is of this version."""
    asset = site().assets.get(path)
    if asset is None or version != site().version:
        raise RouteNotFound
    return Response(asset.content, headers=FOR_EVER, media_type=asset.media_type)
