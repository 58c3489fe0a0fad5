"""Making a completed export again: the served file always matches its facts, whatever fails when."""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import count
from pathlib import Path
from threading import Event

import polars as pl
import pytest
from sqlalchemy import Engine

from analytics_exports.artifacts import LocalArtifactStore
from analytics_exports.artifacts.objects import ObjectArtifactStore
from analytics_exports.database.engine import make_engine
from analytics_exports.database.jobs import PostgresJobStore
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.errors import ClaimLost, DatabaseUnavailable, WorkerLost
from analytics_exports.domain.export import ExportJob, Failure, Status
from analytics_exports.domain.formats import Format
from analytics_exports.ports import ArtifactStore
from analytics_exports.services.downloads import Downloads
from analytics_exports.services.production import artifact_key
from analytics_exports.services.signing import Signer
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.directory import FakeDirectory
from analytics_exports_tests.lossy_proxy import lossy_proxy
from analytics_exports_tests.ports.test_jobs import JobStoreHarness, in_postgresql
from analytics_exports_tests.rows import FrameRows
from analytics_exports_tests.waiting import LIMIT_SECONDS

LEASE, DAY = timedelta(seconds=20), timedelta(hours=24)
TIMES = 10


class Stopped(BaseException):
    """As a worker is killed."""


class Remaking:
    """A completed export, and workers that make it again with other content of the same size."""

    def __init__(self, tables: JobStoreHarness, store: ArtifactStore) -> None:
        self.store = store
        self.tables = tables
        self.worker = tables.store
        """The tables as a worker reaches them."""

        self.owner = tables.make_user()
        self.downloads = Downloads(tables.store, store, FakeDirectory(), Signer(lambda: b"secret"), DAY)
        self.job: ExportJob = tables.store.create(self.owner, factories.request())

    def make(self, number: int, before_commit: Callable[[], None] = lambda: None, *, complete: bool = True) -> Artifact:
        jobs, key = self.tables.store, artifact_key(self.job)
        job, claim = jobs.claim(self.job.id, f"run {number}", LEASE, remake=True)
        with self.store.stage(key, claim.attempt) as staging:
            rows = FrameRows(pl.DataFrame({"number": [1000 + number] * 1000}))
            artifact = staging.write(rows, Format.CSV, {}, lambda rows, size: None)
            with self.worker.publishing(claim, artifact if job.status is Status.COMPLETED else None):
                staging.publish()
                before_commit()
        if complete:
            assert jobs.complete(claim, artifact, DAY)
        return artifact

    def download(self) -> Artifact:
        """The facts with which the file is served, once they are seen to be true."""
        found = self.downloads.open(self.owner, self.job.id)
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
    made = Remaking(in_postgresql(engine), store)
    made.make(0)
    return made


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


@pytest.fixture(scope="module")
def tables(module_database_url: str) -> Iterator[JobStoreHarness]:
    engine = make_engine(module_database_url)
    yield in_postgresql(engine)
    engine.dispose()


@pytest.mark.parametrize("retry_seconds", [0, LIMIT_SECONDS])
@pytest.mark.parametrize("answered", [False, True])
@pytest.mark.parametrize("again", [False, True])
def test_no_message_to_the_database_is_a_wrong_moment_to_lose_the_connection(
    tables: JobStoreHarness,
    module_database_url: str,
    tmp_path: Path,
    retry_seconds: float,
    *,
    answered: bool,
    again: bool,
) -> None:
    """Each message of the step that publishes is lost in turn, with its answer or before it is there."""
    store = LocalArtifactStore(tmp_path / "files", max_bytes=2**20, reserve_bytes=0)
    store.prepare()
    with lossy_proxy(module_database_url) as proxy:
        for number in count(1):
            remaking = Remaking(tables, store)
            if again:
                remaking.make(0)
            reached = make_engine(proxy.url)
            remaking.worker = PostgresJobStore(reached, retry_seconds)
            proxy.cut(number, answered=answered)
            published = attempted(remaking)
            reached.dispose()
            if not proxy.has_cut:
                break
            assert published or not retry_seconds
            finish(remaking)

    assert number > 4


def attempted(remaking: Remaking) -> bool:
    """Whether an attempt published, as far as its worker knows."""
    try:
        remaking.make(1)
    except (DatabaseUnavailable, ClaimLost):
        return False
    return True


def finish(remaking: Remaking) -> None:
    """What is there now can be downloaded or is made anew, and then can be."""
    jobs, job_id = remaking.tables.store, remaking.job.id
    remaking.worker = jobs
    if remaking.tables.status(job_id) is Status.COMPLETED:
        remaking.download()
    remaking.tables.pass_time(60)
    for claim in jobs.expired_leases(10):
        assert claim.job_id != job_id or jobs.fail_attempt(claim, Failure.of(WorkerLost), 3)
    made = remaking.make(2)

    assert remaking.download() == made
