"""Making a completed export again while it is downloaded: whatever is served is what its facts say."""

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Event

import polars as pl
import pytest
from sqlalchemy import Engine

from analytics_exports.artifacts import LocalArtifactStore
from analytics_exports.artifacts.objects import ObjectArtifactStore
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.export import ExportJob, Status
from analytics_exports.domain.formats import Format
from analytics_exports.ports import ArtifactStore
from analytics_exports.services.following import Following
from analytics_exports.services.producing import artifact_key
from analytics_exports.services.sealing import Seal
from analytics_exports_tests import factories
from analytics_exports_tests.ports.test_jobs import World, in_postgresql

LEASE, DAY = timedelta(seconds=20), timedelta(hours=24)
TIMES = 15


class Stopped(BaseException):
    """As a worker is killed."""


class Remaking:
    """A completed export, and workers that make it again with other content of the same size."""

    def __init__(self, tables: World, store: ArtifactStore) -> None:
        self.store = store
        self.tables = tables
        self.owner = tables.make_user()
        self.following = Following(tables.store, store, Seal(lambda: b"secret"))
        self.job: ExportJob = tables.store.create(self.owner, factories.request())
        self.make(0)

    def make(self, number: int, before_commit: Callable[[], None] = lambda: None, *, complete: bool = True) -> Artifact:
        jobs, key = self.tables.store, artifact_key(self.job)
        job, claim = jobs.claim(self.job.id, f"run {number}", LEASE, remake=True)
        with self.store.stage(key, claim.attempt) as staging:
            rows = pl.LazyFrame({"number": [1000 + number] * 1000})
            written = staging.write(rows, Format.CSV, {}, lambda rows, size: None)
            artifact = factories.artifact(
                output_path=key, sha256=written.sha256, file_size_bytes=written.file_size_bytes, version=written.version
            )
            with jobs.publishing(claim, artifact if job.status is Status.COMPLETED else None):
                staging.publish()
                before_commit()
        if complete:
            assert jobs.complete(claim, artifact, DAY)
        return artifact

    def download(self) -> Artifact:
        """The facts with which the file is served, once they are seen to be true."""
        found = self.following.open(self.owner, self.job.id)
        with found.file as file:
            file.seek(0)
            content = file.read()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (
            found.artifact.file_size_bytes,
            found.artifact.sha256,
        )
        return found.artifact


@pytest.fixture(params=["folder", "bucket"])
def remaking(request: pytest.FixtureRequest, engine: Engine, tmp_path: Path) -> Remaking:
    store: ArtifactStore = LocalArtifactStore(tmp_path / "files", max_bytes=2**20, reserve_bytes=0)
    if request.param == "bucket":
        store = ObjectArtifactStore(request.getfixturevalue("s3").make_bucket().url, max_bytes=2**20)
    store.prepare()
    return Remaking(in_postgresql(engine), store)


def test_downloads_meet_one_version_or_the_next_and_never_a_mixture(remaking: Remaking) -> None:
    over = Event()

    def download() -> set[str]:
        seen = set()
        while not over.is_set():
            seen.add(remaking.download().sha256)
        return seen

    with ThreadPoolExecutor(2) as threads:
        readers = [threads.submit(download) for _ in range(2)]
        made = {remaking.make(number).sha256 for number in range(1, TIMES)}
        over.set()
        seen = set[str]().union(*(reader.result() for reader in readers))

    assert len(made) == TIMES - 1
    assert len(seen & made) > 1
    assert remaking.tables.status(remaking.job.id) is Status.COMPLETED


def test_row_and_file_change_together_before_dagster_is_heard(remaking: Remaking) -> None:
    made = remaking.make(1, complete=False)
    job = remaking.tables.store.load(remaking.job.id)

    assert job is not None
    assert (job.artifact, job.replacement) == (made, None)
    assert remaking.download() == made


def test_a_worker_that_is_killed_between_the_file_and_its_row_leaves_an_export_that_can_be_downloaded(
    remaking: Remaking,
) -> None:
    before = remaking.download()

    def stop() -> None:
        raise Stopped

    with pytest.raises(Stopped):
        remaking.make(1, stop)
    served = remaking.download()
    remaking.tables.pass_time(60)

    assert remaking.download() == served != before
    again = remaking.make(2)
    assert remaking.download() == again
