"""Signed texts that clients get and send back: cursors and download links.

A signed text can be read by its holder, but not altered, and not used for another purpose than it was made for.
"""

import hashlib
from collections.abc import Callable
from functools import cached_property

from itsdangerous import BadData, URLSafeSerializer


class Signer:
    """Signs and verifies short texts with HMAC-SHA-256 and a secret that all replicas share."""

    def __init__(self, secret: Callable[[], bytes]) -> None:
        """Sign with the secret that ``secret`` returns; it is called once, when first needed."""
        self._read_secret = secret

    def sign(self, purpose: str, *values: str | int) -> str:
        """``values`` as one text of URL-safe characters, valid for ``purpose`` only."""
        return str(self._serializer(purpose).dumps(values))

    def verify(self, purpose: str, signed: str) -> list[str | int] | None:
        """The values in ``signed``; ``None`` unless it was signed for ``purpose`` and is unaltered."""
        try:
            values: list[str | int] = self._serializer(purpose).loads(signed)
        except (BadData, UnicodeEncodeError):
            return None
        return values

    def _serializer(self, purpose: str) -> URLSafeSerializer:
        options = {"key_derivation": "hmac", "digest_method": hashlib.sha256}  # SHA-1 by default
        return URLSafeSerializer(self._secret, salt=purpose, signer_kwargs=options)

    @cached_property
    def _secret(self) -> bytes:
        return self._read_secret()
