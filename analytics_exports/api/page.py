"""The web page: one document that is revalidated on each request, and immutable assets.

The path of an asset contains the version of the page, so that modules of two versions are never mixed in one browser.
"""

import hashlib
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from analytics_exports.api.errors import RouteNotFound
from analytics_exports.api.range_requests import if_none_match_matches
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
"""No inline code, nothing from elsewhere, and no script that creates markup from text."""

PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable", "Cross-Origin-Resource-Policy": "same-origin"}


def page_router() -> APIRouter:
    """Routes for the page at ``/`` and its assets below ``/static``."""
    router = APIRouter(include_in_schema=False)
    router.add_api_route("/", get_page, methods=["GET", "HEAD"])
    router.add_api_route("/static/{version}/{path:path}", get_asset, methods=["GET", "HEAD"])
    return router


async def get_page(request: Request) -> Response:
    """The document."""
    content = site().document
    etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {**PAGE_HEADERS, "ETag": etag}
    if if_none_match_matches(request.headers, etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(content, headers=headers, media_type=MEDIA_TYPES[".html"])


async def get_asset(version: str, path: str) -> Response:
    """An asset of the page. Raises RouteNotFound unless it is of the current version."""
    asset = site().assets.get(path)
    if asset is None or version != site().version:
        raise RouteNotFound
    return Response(asset.content, headers=FOR_EVER, media_type=asset.media_type)
