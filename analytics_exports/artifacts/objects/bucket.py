"""A bucket, or the part of one below a prefix: requests and their errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, cast
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, ObjectStore, S3Store, from_url

from analytics_exports.domain.errors import StorageUnavailable

if TYPE_CHECKING:
    from obstore import Attributes, GetResult, WritableFile
    from obstore.store import ClientConfig, RetryConfig, S3Config

MIN_PART_BYTES, MAX_PARTS = 8 * 2**20, 9_000
"""Minimum size of a part of an upload, and maximum number of parts: S3 allows 10,000."""

CONCURRENT_PARTS = 3

_CLIENT: "ClientConfig" = {"connect_timeout": "5s", "read_timeout": "30s", "timeout": "1day"}
"""There is no limit for a whole transfer, which takes as long as the file is large, only for silence."""

_RETRY: "RetryConfig" = {"max_retries": 4, "retry_timeout": timedelta(seconds=20)}


@contextmanager
def domain_errors() -> Iterator[None]:
    """Raise StorageUnavailable for any error of the store but FileNotFoundError."""
    try:
        yield
    except BaseError:
        raise StorageUnavailable from None


class Bucket:
    """Objects by name. Thread-safe.

    Methods raise StorageUnavailable when the store cannot be reached or denies access.
    """

    def __init__(self, url: str) -> None:
        """Use the bucket at ``url``; no request is made yet.

        Args:
            url: Such as ``s3://bucket/prefix?endpoint=http://127.0.0.1:9000``; the query has options of ``obstore``.
                Credentials come from the environment, as for the store's own tools.
        """
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query))
        plain = options.get("endpoint", "").startswith("http://")
        self._store: ObjectStore = from_url(
            urlunsplit(parts._replace(query="")),
            config=cast("S3Config", options) or None,
            client_options={**_CLIENT, "allow_http": plain},
            retry_config=_RETRY,
        )

    def get(self, name: str, start: int = 0) -> "GetResult | None":
        """An object from byte ``start`` on, its body not yet read; ``None`` when it does not exist."""
        with domain_errors():
            try:
                return obstore.get(self._store, name, options={"range": {"offset": start}} if start else None)
            except FileNotFoundError:
                return None

    def text(self, name: str) -> str | None:
        """A small object as text."""
        found = self.get(name)
        with domain_errors():
            return None if found is None else bytes(found.bytes()).decode()

    def size(self, name: str) -> int | None:
        """Size of an object in bytes; ``None`` when it does not exist."""
        with domain_errors():
            try:
                return obstore.head(self._store, name)["size"]
            except FileNotFoundError:
                return None

    def put(self, name: str, text: str) -> None:
        """Store a small object in one request."""
        with domain_errors():
            obstore.put(self._store, name, text.encode(), use_multipart=False)

    def delete(self, name: str) -> None:
        """Delete an object if it exists."""
        with domain_errors():
            try:
                obstore.delete(self._store, name)
            except FileNotFoundError:
                return

    def names(self, folder: str) -> Iterator[str]:
        """All names below ``folder``."""
        with domain_errors():
            for found in obstore.list(self._store, folder):
                yield from (entry["path"] for entry in found)

    def writer(self, name: str, most_bytes: int, attributes: "Attributes") -> "WritableFile":
        """A multipart upload that becomes visible when its context ends, and is aborted when an exception ends it."""
        part = max(MIN_PART_BYTES, -(-most_bytes // MAX_PARTS))
        return obstore.open_writer(
            self._store, name, buffer_size=part, max_concurrency=CONCURRENT_PARTS, attributes=attributes
        )

    def link(self, name: str, lifetime: timedelta) -> str | None:
        """A presigned URL of an object; ``None`` for a store without such URLs."""
        if not isinstance(self._store, S3Store | GCSStore | AzureStore):
            return None
        with domain_errors():
            return obstore.sign(self._store, "GET", name, lifetime)
