"""A bucket, or the part of one below a prefix: requests, and what their failures mean here."""

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

LEAST_PART, MOST_PARTS = 8 * 2**20, 9_000
"""Bytes of one part of an upload, and how many parts it may have: S3 takes ten thousand."""

PARTS_AT_ONCE = 3

_CLIENT: "ClientConfig" = {"connect_timeout": "5s", "read_timeout": "30s", "timeout": "1day"}
"""What counts is that bytes keep coming: a large file takes as long as it takes."""

_RETRY: "RetryConfig" = {"max_retries": 4, "retry_timeout": timedelta(seconds=20)}


@contextmanager
def translated() -> Iterator[None]:
    """Raise StorageUnavailable for whatever the store refuses; FileNotFoundError stays as it is."""
    try:
        yield
    except BaseError:
        raise StorageUnavailable from None


class Bucket:
    """Objects by name. Safe to share between threads.

    Methods raise StorageUnavailable when the store cannot be reached or does not let us.
    """

    def __init__(self, url: str) -> None:
        """Name the bucket; nothing is asked of it yet.

        Args:
            url: Such as ``s3://bucket/prefix?endpoint=http://127.0.0.1:9000``: options of ``obstore`` are after the
                question mark. Credentials come from the environment, as for the store's own tools.
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
        """An object from byte ``start`` on, its body still to come; ``None`` when there is none."""
        with translated():
            try:
                return obstore.get(self._store, name, options={"range": {"offset": start}} if start else None)
            except FileNotFoundError:
                return None

    def text(self, name: str) -> str | None:
        """A small object as text."""
        found = self.get(name)
        with translated():
            return None if found is None else bytes(found.bytes()).decode()

    def size(self, name: str) -> int | None:
        """How large an object is, in bytes; ``None`` when there is none."""
        with translated():
            try:
                return obstore.head(self._store, name)["size"]
            except FileNotFoundError:
                return None

    def put(self, name: str, text: str) -> None:
        """Store a small object at once."""
        with translated():
            obstore.put(self._store, name, text.encode(), use_multipart=False)

    def delete(self, name: str) -> None:
        """Remove an object, if it is there."""
        with translated():
            try:
                obstore.delete(self._store, name)
            except FileNotFoundError:
                return

    def names(self, folder: str) -> Iterator[str]:
        """All names below ``folder``."""
        with translated():
            for found in obstore.list(self._store, folder):
                yield from (entry["path"] for entry in found)

    def writer(self, name: str, most_bytes: int, attributes: "Attributes") -> "WritableFile":
        """An upload in parts that appears when its context ends, and is aborted when that ends by an error."""
        part = max(LEAST_PART, -(-most_bytes // MOST_PARTS))
        return obstore.open_writer(
            self._store, name, buffer_size=part, max_concurrency=PARTS_AT_ONCE, attributes=attributes
        )

    def link(self, name: str, lifetime: timedelta) -> str | None:
        """A presigned address of an object; ``None`` from a store that makes none."""
        if not isinstance(self._store, S3Store | GCSStore | AzureStore):
            return None
        with translated():
            return obstore.sign(self._store, "GET", name, lifetime)
