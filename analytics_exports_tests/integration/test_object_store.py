"""What is particular to object stores: parts of uploads, damaged objects, large files, and a store that is away."""

import gzip
import hashlib
import io
import urllib.request
from collections.abc import Callable
from datetime import timedelta
from typing import BinaryIO
from uuid import uuid4

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_exports.artifacts.objects import ObjectArtifactStore
from analytics_exports.domain.errors import StorageUnavailable
from analytics_exports.domain.formats import Format
from analytics_exports_tests.object_store import S3, S3Bucket
from analytics_exports_tests.rows import FrameRows

KEY = f"exports/{uuid4()}/{uuid4()}.csv"
MEBIBYTE = 2**20
PLENTY = pl.DataFrame({"number": pl.int_range(400_000, eager=True)}).with_columns(text=pl.lit("x" * 60))
"""About 26 MB of CSV, which is more than one part."""


class Stop(Exception):
    pass


@pytest.fixture
def bucket(s3: S3) -> S3Bucket:
    return s3.make_bucket()


@pytest.fixture
def store(bucket: S3Bucket) -> ObjectArtifactStore:
    store = ObjectArtifactStore(bucket.url, max_bytes=2**30)
    store.prepare()
    return store


def publish(store: ObjectArtifactStore, frame: pl.DataFrame, attempt: int = 1) -> str:
    with store.stage(KEY, attempt) as staging:
        written = staging.write(FrameRows(frame), Format.CSV, {}, lambda rows, size: None)
        staging.publish()
    return written.sha256


def test_a_file_in_many_parts_arrives_whole(store: ObjectArtifactStore, bucket: S3Bucket) -> None:
    sha256 = publish(store, PLENTY)

    found = store.open(KEY)
    assert found is not None
    with found.content as file:
        content = file.read()
    assert len(content) > 20 * MEBIBYTE
    assert hashlib.sha256(content).hexdigest() == sha256
    assert len(bucket.names()) == 3
    assert bucket.unfinished_uploads() == 0


def test_reading_can_begin_anywhere(store: ObjectArtifactStore) -> None:
    publish(store, PLENTY)
    found = store.open(KEY)
    assert found is not None
    with found.content as file:
        content = file.read()
        size = file.seek(0, io.SEEK_END)
        assert size == len(content)
        for start in (size - 10, 0, 9 * MEBIBYTE + 1, 5, size - 1):
            file.seek(start)
            assert file.read(2 * MEBIBYTE) == content[start : start + 2 * MEBIBYTE]
        file.seek(size)
        assert file.read(1) == b""


@pytest.mark.parametrize("reason", [Stop, KeyboardInterrupt])
def test_an_interrupted_upload_leaves_nothing_behind(
    store: ObjectArtifactStore, bucket: S3Bucket, reason: type[BaseException]
) -> None:
    seen: list[int] = []

    def stop(_: int, size: int) -> None:
        seen.append(bucket.unfinished_uploads())
        if size > 18 * MEBIBYTE:
            raise reason

    with pytest.raises(reason), store.stage(KEY, 1) as staging:
        staging.write(FrameRows(PLENTY), Format.CSV, {}, stop)

    assert max(seen) == 1, "the upload had not begun"
    assert bucket.unfinished_uploads() == 0
    assert bucket.names() == [".exports-root"]


def damage(content: bytes) -> bytes:
    return content[:-1] + b"?"


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize("alter", [damage, gzip.compress, lambda content: content[:-1]])
def test_an_upload_that_does_not_read_back_is_not_published(
    store: ObjectArtifactStore,
    bucket: S3Bucket,
    monkeypatch: pytest.MonkeyPatch,
    alter: Callable[[bytes], bytes],
    format: Format,
) -> None:
    from analytics_exports.artifacts.objects.staging import ObjectStaging  # noqa: PLC0415

    open_uploaded = ObjectStaging._open

    def tampered(staging: ObjectStaging) -> BinaryIO:
        name = next(name for name in bucket.names() if name.startswith("files/"))
        bucket.overwrite(name, alter(bucket.download(name)))
        return open_uploaded(staging)

    monkeypatch.setattr(ObjectStaging, "_open", tampered)
    with pytest.raises(StorageUnavailable), store.stage(KEY, 1) as staging:
        staging.write(FrameRows(pl.DataFrame({"number": [1, 2]})), format, {}, lambda rows, size: None)

    assert bucket.names() == [".exports-root"]


@pytest.mark.parametrize("count", [3, 40])
def test_what_was_written_is_uploaded_whatever_becomes_of_the_memory(bucket: S3Bucket, count: int) -> None:
    """Libraries write from buffers that they use again, while the client is still sending."""
    from analytics_exports.artifacts.hashing_writer import FileLimits  # noqa: PLC0415
    from analytics_exports.artifacts.objects.bucket import Bucket  # noqa: PLC0415
    from analytics_exports.artifacts.objects.staging import UploadWriter  # noqa: PLC0415

    buffer = bytearray(MEBIBYTE)
    with Bucket(bucket.url).writer("written", 1, {}) as upload:
        writer = UploadWriter(upload, FileLimits(2**30, 0))
        for number in range(count):
            buffer[:] = bytes([number]) * MEBIBYTE
            writer.write(memoryview(buffer))
        buffer[:] = b"?" * MEBIBYTE

    content = bucket.download("written")
    assert [content[at * MEBIBYTE :][:MEBIBYTE] == bytes([at]) * MEBIBYTE for at in range(count)] == [True] * count


@given(content=st.binary(max_size=50), steps=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=6))
def test_what_was_read_is_hashed_in_order_whatever_was_read(content: bytes, steps: list[tuple[int, int]]) -> None:
    from analytics_exports.artifacts.objects.reading import HashingReader  # noqa: PLC0415

    reader = HashingReader(io.BytesIO(content))
    for position, count in steps:
        reader.seek(position)
        assert reader.read(count) == content[position : position + count]

    assert reader.digest() == (len(content), hashlib.sha256(content).hexdigest())


def test_a_replaced_and_a_removed_file_leave_no_objects(store: ObjectArtifactStore, bucket: S3Bucket) -> None:
    publish(store, pl.DataFrame({"number": [1]}))
    publish(store, pl.DataFrame({"number": [2]}), attempt=2)
    assert len(bucket.names()) == 3
    store.remove(KEY)

    assert bucket.names() == [".exports-root"]


def test_a_link_gives_the_file_to_anybody_under_its_name(store: ObjectArtifactStore) -> None:
    assert store.link(KEY, timedelta(minutes=5)) is None
    publish(store, pl.DataFrame({"number": [1]}))
    link = store.link(KEY, timedelta(minutes=5))
    assert link is not None
    with urllib.request.urlopen(link) as answer:
        assert answer.read() == b"number\n1\n"
        assert answer.headers["Content-Disposition"].startswith("attachment; filename=")
        assert answer.headers["Content-Type"].startswith("text/csv")


def test_a_key_that_nobody_understands_is_no_file(store: ObjectArtifactStore, bucket: S3Bucket) -> None:
    bucket.overwrite(KEY, b"[]")
    with pytest.raises(StorageUnavailable):
        store.open(KEY)


def test_a_store_that_does_not_answer_is_unavailable(store: ObjectArtifactStore) -> None:
    away = ObjectArtifactStore("s3://bucket?endpoint=http://127.0.0.1:9", max_bytes=1)
    with pytest.raises(StorageUnavailable):
        away.check()
