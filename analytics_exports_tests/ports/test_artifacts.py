"""What every ArtifactStore must do: run on a folder, on an S3 server, and on the one in memory."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from uuid import UUID, uuid4

import polars as pl
import pytest

from analytics_exports.artifacts import LocalArtifactStore
from analytics_exports.artifacts.objects import ObjectArtifactStore
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.errors import StorageFull, StorageUnavailable, TooLarge
from analytics_exports.domain.formats import Format
from analytics_exports.ports import ArtifactStore
from analytics_exports_tests.fakes.artifacts import FakeArtifactStore
from analytics_exports_tests.object_store import S3
from analytics_exports_tests.rows import FrameRows

ROWS = pl.DataFrame({"number": [1, 2, 3], "text": ["a", None, ""]})
MEBIBYTE = 2**20


class ArtifactStoreHarness:
    """A store that takes files up to a mebibyte, and ways to break it."""

    def __init__(self, store: ArtifactStore, lose: Callable[[], None], fill: Callable[[], None] | None = None) -> None:
        self.store = store
        self.fill = fill
        self.lose = lose
        self.user, self.job = uuid4(), uuid4()

    @property
    def key(self) -> str:
        return f"exports/{self.user}/{self.job}.csv"

    def content(self) -> bytes | None:
        found = self.store.open(self.key)
        if found is None:
            return None
        with found.content as file:
            return file.read()

    def publish(self, frame: pl.DataFrame = ROWS, attempt: int = 1) -> Artifact:
        with self.store.stage(self.key, attempt) as staging:
            written = staging.write(FrameRows(frame), Format.CSV, {}, lambda rows, size: None)
            staging.publish()
        return written


def in_memory() -> ArtifactStoreHarness:
    store = FakeArtifactStore()
    store.max_bytes = MEBIBYTE
    return ArtifactStoreHarness(
        store, fill=lambda: setattr(store, "free_bytes", 0), lose=lambda: setattr(store, "away", True)
    )


def in_folder(root: Path) -> ArtifactStoreHarness:
    store = LocalArtifactStore(root, max_bytes=MEBIBYTE, reserve_bytes=0)
    store.prepare()
    made = ArtifactStoreHarness(store, lambda: None)

    def fill() -> None:
        made.store = LocalArtifactStore(root, max_bytes=MEBIBYTE, reserve_bytes=2**62)

    def lose() -> None:
        root.rename(root.with_name("unmounted"))
        root.mkdir()

    made.fill, made.lose = fill, lose
    return made


def in_bucket(s3: S3) -> ArtifactStoreHarness:
    bucket = s3.make_bucket()
    store = ObjectArtifactStore(bucket.url, max_bytes=MEBIBYTE)
    store.prepare()
    return ArtifactStoreHarness(store, bucket.destroy)


@pytest.fixture(params=["folder", "bucket", "memory"])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStoreHarness:
    if request.param == "bucket":
        return in_bucket(request.getfixturevalue("s3"))
    return in_memory() if request.param == "memory" else in_folder(tmp_path / "root")


@pytest.fixture(params=["folder", "memory"])
def finite_harness(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStoreHarness:
    """One that can be full, as no object store is."""
    return in_memory() if request.param == "memory" else in_folder(tmp_path / "root")


def test_a_published_file_is_what_was_written(harness: ArtifactStoreHarness) -> None:
    written = harness.publish()

    content = harness.content()
    assert content == b'number,text\n1,a\n2,\n3,""\n'
    assert written.row_count == 3
    assert written.file_size_bytes == len(content)
    assert written.sha256 == hashlib.sha256(content).hexdigest()


def test_progress_ends_with_everything(harness: ArtifactStoreHarness) -> None:
    seen: list[tuple[int, int]] = []
    with harness.store.stage(harness.key, 1) as staging:
        written = staging.write(FrameRows(ROWS), Format.CSV, {}, lambda rows, size: seen.append((rows, size)))

    assert seen[-1] == (3, written.file_size_bytes)


def test_nothing_is_visible_before_it_is_published(harness: ArtifactStoreHarness) -> None:
    with harness.store.stage(harness.key, 1) as staging:
        staging.write(FrameRows(ROWS), Format.CSV, {}, lambda rows, size: None)
        assert harness.content() is None

    assert harness.content() is None


def test_an_error_leaves_nothing(harness: ArtifactStoreHarness) -> None:
    def stop(rows: int, size: int) -> None:
        raise KeyError

    with pytest.raises(KeyError), harness.store.stage(harness.key, 1) as staging:
        staging.write(FrameRows(ROWS), Format.CSV, {}, stop)

    assert harness.content() is None
    assert harness.store.sweep(lambda job, attempt: False) == 0


def test_a_later_attempt_replaces_the_file(harness: ArtifactStoreHarness) -> None:
    harness.publish()
    harness.publish(pl.DataFrame({"number": [4]}), attempt=2)

    assert harness.content() == b"number\n4\n"


def test_an_attempt_that_comes_to_nothing_leaves_the_file_of_the_one_before(harness: ArtifactStoreHarness) -> None:
    harness.publish()
    with harness.store.stage(harness.key, 2) as staging:
        staging.write(FrameRows(pl.DataFrame({"number": [4]})), Format.CSV, {}, lambda rows, size: None)

    assert harness.content() == b'number,text\n1,a\n2,\n3,""\n'


def test_a_file_that_is_open_stays_readable_when_it_is_removed(harness: ArtifactStoreHarness) -> None:
    harness.publish()
    found = harness.store.open(harness.key)
    assert found is not None
    with found.content as file:
        harness.store.remove(harness.key)
        assert harness.content() is None
        assert file.read() == b'number,text\n1,a\n2,\n3,""\n'


def test_removing_a_file_that_is_not_there_does_nothing(harness: ArtifactStoreHarness) -> None:
    harness.store.remove(harness.key)
    harness.publish()
    harness.store.remove(harness.key)
    harness.store.remove(harness.key)

    assert harness.content() is None


def test_a_file_that_grows_too_large_is_refused(harness: ArtifactStoreHarness) -> None:
    large = pl.DataFrame({"text": ["x" * 1000] * 2000})
    with pytest.raises(TooLarge):
        harness.publish(large)

    assert harness.content() is None


def test_a_full_store_is_distinguished_from_one_that_is_gone(finite_harness: ArtifactStoreHarness) -> None:
    finite_harness.store.check()
    assert finite_harness.fill is not None
    finite_harness.fill()
    with pytest.raises(StorageFull):
        finite_harness.store.check()
    with pytest.raises(StorageFull):
        finite_harness.publish()


def test_there_must_be_room_for_what_is_expected(finite_harness: ArtifactStoreHarness) -> None:
    finite_harness.store.check(MEBIBYTE)
    with pytest.raises(StorageFull):
        finite_harness.store.check(2**60)


def test_a_store_that_is_gone_says_so_whatever_is_asked(harness: ArtifactStoreHarness) -> None:
    harness.publish()
    harness.lose()
    for ask in (
        harness.store.check,
        harness.publish,
        harness.content,
        lambda: harness.store.remove(harness.key),
        lambda: harness.store.sweep(lambda job, attempt: True),
    ):
        with pytest.raises(StorageUnavailable):
            ask()


def test_a_sweep_removes_files_of_exports_that_are_gone(harness: ArtifactStoreHarness) -> None:
    harness.publish()
    asked: list[tuple[UUID, int | None]] = []

    def live(job: UUID, attempt: int | None) -> bool:
        asked.append((job, attempt))
        return True

    assert harness.store.sweep(live) == 0
    assert asked == [(harness.job, None)]
    assert harness.content() is not None
    assert harness.store.sweep(lambda job, attempt: False) == 1
    assert harness.content() is None


def test_a_sweep_removes_a_partial_file_whose_attempt_is_over(harness: ArtifactStoreHarness) -> None:
    with harness.store.stage(harness.key, 3) as staging:
        staging.write(FrameRows(ROWS), Format.CSV, {}, lambda rows, size: None)
        assert harness.store.sweep(lambda job, attempt: (job, attempt) == (harness.job, 3)) == 0
        assert harness.store.sweep(lambda job, attempt: attempt != 3) == 1
        with pytest.raises(StorageUnavailable):
            staging.publish()

    assert harness.content() is None


def test_a_file_has_a_version_that_no_other_has(harness: ArtifactStoreHarness) -> None:
    versions = [harness.publish(attempt=attempt).version for attempt in (1, 2)]
    found = harness.store.open(harness.key)

    assert found is not None
    found.content.close()
    assert found.version == versions[1] != versions[0]
