"""The format of API tokens, and the digest that is stored.

A token is ``aex_<43 characters>_<8 hex digits>``: 256 random bits, and a CRC-32 of the part before it, so that a
mistyped or truncated token is refused without a query, and secret scanners can recognise one.
"""

import hashlib
import secrets
import zlib

MARK = "aex_"


def new_token() -> str:
    """A new secret. It is shown once; only its digest is stored."""
    body = MARK + secrets.token_urlsafe(32)
    return f"{body}_{_checksum(body)}"


def digest(token: str) -> bytes | None:
    """The SHA-256 digest under which a token is stored; ``None`` when it does not have the format of a token."""
    body, _, checksum = token.rpartition("_")
    if not (token.isascii() and body.startswith(MARK) and checksum == _checksum(body)):
        return None
    return hashlib.sha256(token.encode()).digest()


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode('utf-8', 'surrogatepass')):08x}"
