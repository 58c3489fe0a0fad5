"""The web page: plain HTML, CSS and ES modules below ``static/``, served as they are.

What belongs here: the files, and reading them. What does not: HTTP (``api.page``).

static/index.html   the only document; everything in it is named, nothing is inline
static/style/       tokens first, then what they are used for
static/app.js       the entrance; each other module is one part of the page, and says so in its first line
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType

STATIC = Path(__file__).with_name("static")
ENTRANCE = "index.html"

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
        version: Different whenever any file is: a browser may keep what it has of a version for ever.
        entrance: The document, which names its files by ``version``.
        assets: The other files by path, such as ``style/base.css``.
    """

    version: str
    entrance: bytes
    assets: Mapping[str, Asset]


@cache
def site() -> Site:
    """The files as they are now; they are read once."""
    files = {path.relative_to(STATIC).as_posix(): path for path in sorted(STATIC.rglob("*")) if path.is_file()}
    assets = {name: Asset(path.read_bytes(), MEDIA_TYPES[path.suffix]) for name, path in files.items()}
    digest = hashlib.sha256()
    for name, asset in assets.items():
        digest.update(f"{name}\0{len(asset.content)}\0".encode() + asset.content)
    version = digest.hexdigest()[:16]
    entrance = assets.pop(ENTRANCE).content.replace(b"static/", f"static/{version}/".encode())
    return Site(version, entrance, MappingProxyType(assets))
