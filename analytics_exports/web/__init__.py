"""The web page: plain HTML, CSS and ES modules below ``static/``, served unchanged.

    static/index.html   the only document, without inline code
    static/style/       design tokens, then the styles that use them
    static/app.js       the entry point; the first line of each other module says which part of the page it is

Serving it over HTTP belongs to ``api.page``.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

STATIC = Path(__file__).with_name("static")
DOCUMENT = "index.html"

MEDIA_TYPES: Mapping[str, str] = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of the page."""

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Site:
    """All files of one version of the page.

    Attributes:
        version: Changes whenever a file does: a browser may cache a version for ever.
        document: The HTML document, which refers to its files by ``version``.
        assets: The other files by path, such as ``style/base.css``.
    """

    version: str
    document: bytes
    assets: Mapping[str, Asset]


@cache
def site() -> Site:
    """The current files; they are read once."""
    files = {path.relative_to(STATIC).as_posix(): path for path in sorted(STATIC.rglob("*")) if path.is_file()}
    assets = {name: Asset(path.read_bytes(), MEDIA_TYPES[path.suffix]) for name, path in files.items()}
    digest = hashlib.sha256()
    for name, asset in assets.items():
        digest.update(f"{name}\0{len(asset.content)}\0".encode() + asset.content)
    version = digest.hexdigest()[:16]
    document = assets.pop(DOCUMENT).content.replace(b"static/", f"static/{version}/".encode())
    return Site(version, document, MappingProxyType(assets))
