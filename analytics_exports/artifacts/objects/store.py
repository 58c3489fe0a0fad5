"""The adapter ``ObjectArtifactStore``.

Only completed uploads are ever visible; the parts of an upload whose process was killed are removed by the bucket's own
lifecycle rule for incomplete uploads.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from uuid import UUID

from analytics_exports.artifacts.hashing_writer import FileLimits
from analytics_exports.artifacts.keys import Key
from analytics_exports.artifacts.objects.bucket import Bucket
from analytics_exports.artifacts.objects.names import (
    FILES,
    MARKER,
    file_object_name,
    parse_file_name,
    published_attempt,
)
from analytics_exports.artifacts.objects.reading import open_object
from analytics_exports.artifacts.objects.staging import ObjectStaging
from analytics_exports.domain.errors import StorageUnavailable
from analytics_exports.ports import StoredFile


class ObjectArtifactStore:
    """Implements the port ``ArtifactStore`` in a bucket, or in the part of one below a prefix. Thread-safe."""

    def __init__(self, url: str, *, max_bytes: int) -> None:
        """Use the bucket at ``url`` (see ``bucket``); no request is made yet.

        Args:
            max_bytes: Maximum size of one file.
        """
        self._bucket = Bucket(url)
        self._limits = FileLimits(max_bytes, reserve_bytes=0)

    def prepare(self) -> None:
        """Create the marker. The bucket itself has to exist."""
        self._bucket.put(MARKER, "")

    @contextmanager
    def stage(self, key: str, attempt: int) -> Iterator[ObjectStaging]:
        """Begin a file. The port documents this and the other methods."""
        self.check()
        staging = ObjectStaging(self._bucket, Key.parse(key), attempt, self._limits)
        try:
            yield staging
        finally:
            staging.close()

    def open(self, key: str) -> StoredFile | None:
        """Open a published file. It stays readable when it is removed after reading has begun."""
        parsed = Key.parse(key)
        attempt = self._published_attempt(parsed)
        content = None if attempt is None else open_object(self._bucket, file_object_name(parsed, attempt))
        return None if content is None else StoredFile(content, str(attempt))

    def link(self, key: str, lifetime: timedelta) -> str | None:
        """A presigned URL of a published file."""
        name = self._published(Key.parse(key))
        return None if name is None else self._bucket.link(name, lifetime)

    def remove(self, key: str) -> None:
        """Remove a published file: its key first, so that no reader begins."""
        parsed = Key.parse(key)
        name = self._published(parsed)
        if name is not None:
            self._bucket.delete(parsed.path)
            self._bucket.delete(name)

    def check(self, expected_bytes: int = 0) -> None:  # noqa: ARG002 - there is always room
        """Check that the marker exists."""
        if self._bucket.size(MARKER) is None:
            raise StorageUnavailable

    def sweep(self, live: Callable[[UUID, int | None], bool]) -> int:
        """Remove files that no export needs any more. Returns how many."""
        self.check()
        return sum(self._sweep(name, live) for name in self._bucket.names(FILES))

    def _sweep(self, name: str, live: Callable[[UUID, int | None], bool]) -> bool:
        parsed = parse_file_name(name)
        if parsed is None:
            return False
        key, attempt = parsed
        if self._published(key) == name:
            if not live(key.job_id, None):
                self.remove(key.path)
                return True
            return False
        if live(key.job_id, attempt) or self._published(key) == name:  # it may have been published since
            return False
        self._bucket.delete(name)
        return True

    def _published(self, key: Key) -> str | None:
        """Name of the file published under ``key``. Raises StorageUnavailable when the store is gone."""
        attempt = self._published_attempt(key)
        return None if attempt is None else file_object_name(key, attempt)

    def _published_attempt(self, key: Key) -> int | None:
        text = self._bucket.text(key.path)
        if text is None:
            self.check()
            return None
        with suppress(ValueError, KeyError, TypeError):
            return published_attempt(text)
        raise StorageUnavailable
