"""Swagger UI, served completely from this service.

It loads nothing from elsewhere, so it works without internet access, and its Content-Security-Policy enforces that.
"""

import base64
import hashlib
import re
from importlib.resources import files

from fastapi import FastAPI, HTTPException, Request
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse, Response

from analytics_exports.contract import BASE_PATH

ASSETS = {
    "swagger-ui-bundle.js": "text/javascript",
    "swagger-ui.css": "text/css",
    "favicon.png": "image/png",
}
INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)


def add_docs_page(app: FastAPI) -> None:
    """Serve the page and its assets from ``app``."""
    page = get_swagger_ui_html(
        openapi_url=f"{BASE_PATH}/openapi.json",
        title=app.title,
        swagger_js_url="docs/swagger-ui-bundle.js",
        swagger_css_url="docs/swagger-ui.css",
        swagger_favicon_url="docs/favicon.png",
    )
    policy = _policy(bytes(page.body).decode())

    @app.get(f"{BASE_PATH}/docs", include_in_schema=False)
    async def docs(_: Request) -> Response:
        return HTMLResponse(bytes(page.body), headers={"Content-Security-Policy": policy})

    @app.get(f"{BASE_PATH}/docs/{{name}}", include_in_schema=False)
    def asset(name: str) -> Response:
        if name not in ASSETS:
            raise HTTPException(404)
        content = (files("fastapi_offline") / "static" / name).read_bytes()
        return Response(content, media_type=ASSETS[name], headers={"Cache-Control": "public, max-age=3600"})


def _policy(html: str) -> str:
    """A Content-Security-Policy that allows the one inline script of the page, by its digest."""
    scripts = (base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in INLINE.findall(html))
    allowed = " ".join(f"'sha256-{digest}'" for digest in scripts)
    return (
        f"default-src 'none'; script-src 'self' {allowed}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
