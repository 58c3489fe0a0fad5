"""Texts that this service hands out and recognises when they come back: cursors and download links.

A sealed text can be read by whoever holds it, but not altered, and not be used for anything else than it was made for.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Callable
from functools import cached_property

MAC_BYTES = 16


class Seal:
    """Seals and opens short texts with a secret that all replicas share."""

    def __init__(self, secret: Callable[[], bytes]) -> None:
        """Ask ``secret`` once, when it is first needed."""
        self._ask = secret

    def close(self, purpose: str, *values: str | int) -> str:
        """``values`` as one text of URL-safe characters, for ``purpose`` only."""
        body = json.dumps(values, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._mac(purpose, body) + body).decode().rstrip("=")

    def open(self, purpose: str, sealed: str) -> list[str | int] | None:
        """The values in ``sealed``; ``None`` unless it was sealed for ``purpose`` and is unaltered."""
        try:
            found = base64.b64decode(sealed + "=" * (-len(sealed) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        mac, body = found[:MAC_BYTES], found[MAC_BYTES:]
        if not hmac.compare_digest(mac, self._mac(purpose, body)):
            return None
        values: list[str | int] = json.loads(body)
        return values

    def _mac(self, purpose: str, body: bytes) -> bytes:
        return hmac.digest(self._secret, purpose.encode() + b"\0" + body, "sha256")[:MAC_BYTES]

    @cached_property
    def _secret(self) -> bytes:
        return self._ask()
