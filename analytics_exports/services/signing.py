"""Signed texts that clients get and send back: cursors and download links.

A signed text can be read by its holder, but not altered, and not used for another purpose than it was made for.
"""

import base64
import binascii
import hmac
import json
from collections.abc import Callable
from functools import cached_property

MAC_BYTES = 16


class Signer:
    """Signs and verifies short texts with a secret that all replicas share."""

    def __init__(self, secret: Callable[[], bytes]) -> None:
        """Sign with the secret that ``secret`` returns; it is called once, when first needed."""
        self._read_secret = secret

    def sign(self, purpose: str, *values: str | int) -> str:
        """``values`` as one text of URL-safe characters, valid for ``purpose`` only."""
        body = json.dumps(values, separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._mac(purpose, body) + body).decode().rstrip("=")

    def verify(self, purpose: str, signed: str) -> list[str | int] | None:
        """The values in ``signed``; ``None`` unless it was signed for ``purpose`` and is unaltered."""
        try:
            found = base64.b64decode(signed + "=" * (-len(signed) % 4), b"-_", validate=True)
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
        return self._read_secret()
