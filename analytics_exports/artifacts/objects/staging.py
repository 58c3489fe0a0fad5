"""Writing one file to the bucket: uploaded in parts while it is written, read back, published.

At most a few parts are held in memory, and nothing is written to the local disk.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, cast

from analytics_exports.artifacts.hashing_writer import FileLimits, HashingWriter
from analytics_exports.artifacts.keys import Key
from analytics_exports.artifacts.objects.bucket import Bucket, domain_errors
from analytics_exports.artifacts.objects.names import file_object_name, key_text, published_attempt
from analytics_exports.artifacts.objects.reading import HashingReader, open_object
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.dataset import Column
from analytics_exports.domain.errors import InternalFailure, StorageUnavailable
from analytics_exports.domain.formats import Format, media_type
from analytics_exports.ports import Rows

if TYPE_CHECKING:
    from obstore import WritableFile


class UploadWriter(HashingWriter):
    """Writes to a multipart upload."""

    def __init__(self, writer: "WritableFile", limits: FileLimits) -> None:
        """Write to ``writer`` within ``limits``."""
        super().__init__(limits)
        self._writer = writer

    def _put(self, view: memoryview) -> int:
        with domain_errors():
            return self._writer.write(bytes(view))  # it refers to what it was given after it has returned


class ObjectStaging:
    """Implements the port ``Staging`` in a bucket."""

    def __init__(self, bucket: Bucket, key: Key, attempt: int, limits: FileLimits) -> None:
        """Prepare an upload; nothing is sent yet."""
        self._bucket, self._key, self._attempt, self._limits = bucket, key, attempt, limits
        self._name = file_object_name(key, attempt)
        self._uploaded = self._published = False

    def write(
        self,
        rows: Rows,
        format: Format,
        options: Mapping[str, object],
        progress: Callable[[int, int], None],
        *,
        columns: Sequence[Column] | None = None,
        facts: Mapping[str, str] | None = None,
        data_as_of: datetime | None = None,
    ) -> Artifact:
        """Upload and read back. The port documents the arguments."""
        from analytics_exports.artifacts import formats, writing  # noqa: PLC0415 - Polars is loaded only where rows are

        chosen = formats.file_format(format, options)
        attributes = self._attributes(format, options)
        with domain_errors(), self._bucket.writer(self._name, self._limits.max_bytes, attributes) as writer:
            file = UploadWriter(writer, self._limits)
            written = writing.write_file(
                rows, file, chosen, progress, columns=columns, facts=facts or {}, data_as_of=data_as_of
            )
        self._uploaded = True
        with self._open() as finished:
            reader = HashingReader(finished)
            try:
                counted = writing.count_file(cast("BinaryIO", reader), chosen)
            except Exception:
                _verify(reader, file)
                raise
            _verify(reader, file)
        if counted != written.row_count:
            raise InternalFailure
        return replace(written, output_path=self._key.path, version=str(self._attempt))

    def publish(self) -> None:
        """Point the key at this attempt's file, and delete the previously published file."""
        if self._bucket.size(self._name) is None:
            raise StorageUnavailable
        before = self._bucket.text(self._key.path)
        self._bucket.put(self._key.path, key_text(self._attempt))
        self._published = True
        if before is not None and published_attempt(before) != self._attempt:
            with suppress(StorageUnavailable):
                self._bucket.delete(file_object_name(self._key, published_attempt(before)))

    def close(self) -> None:
        """Delete the file unless it was published. ``sweep`` removes what cannot be deleted now."""
        if self._uploaded and not self._published:
            with suppress(StorageUnavailable):
                self._bucket.delete(self._name)

    def _open(self) -> BinaryIO:
        finished = open_object(self._bucket, self._name)
        if finished is None:
            raise StorageUnavailable
        return finished

    def _attributes(self, format: Format, options: Mapping[str, object]) -> dict[str, str]:
        """Headers of the file when it is downloaded from the store."""
        return {
            "Content-Type": media_type(format, options),
            "Content-Disposition": f'attachment; filename="{self._key.name}"',
            "Cache-Control": "private, no-store",
        }


def _verify(reader: HashingReader, file: HashingWriter) -> None:
    """Raise StorageUnavailable unless the store returns exactly the bytes that were sent."""
    if reader.digest() != (file.size, file.sha256):
        raise StorageUnavailable from None
