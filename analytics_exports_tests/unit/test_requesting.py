"""What an owner can do with exports."""

from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from uuid import uuid4

import pytest

from analytics_exports.domain.access import UserId
from analytics_exports.domain.dataset import DatasetId
from analytics_exports.domain.errors import (
    DatasetNotFound,
    ExportConflict,
    ExportExpired,
    ExportNotFound,
    ExportNotReady,
    ExportUnavailable,
    InvalidRequest,
    WarehouseChanged,
)
from analytics_exports.domain.export import ExportJob, Failure, JobId, Status
from analytics_exports.domain.formats import Format
from analytics_exports.domain.selection import Selection
from analytics_exports.services.browsing import Browsing
from analytics_exports.services.requesting import Requesting
from analytics_exports.services.selecting import Selecting
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.artifacts import FakeArtifactStore
from analytics_exports_tests.fakes.catalogue import FakeCatalogue
from analytics_exports_tests.fakes.directory import FakeDirectory
from analytics_exports_tests.fakes.jobs import FakeJobStore
from analytics_exports_tests.fakes.orchestrator import FakeOrchestrator

DAY = timedelta(hours=24)


class World:
    """The use case over fakes, with one caller."""

    def __init__(self) -> None:
        self.caller = factories.principal()
        self.jobs = FakeJobStore()
        self.directory = FakeDirectory()
        self.orchestrator = FakeOrchestrator()
        self.artifacts = FakeArtifactStore()
        self.dataset = factories.dataset()
        selecting = Selecting(Browsing(FakeCatalogue([self.dataset])), self.directory)
        self.requesting = Requesting(selecting, self.jobs, self.artifacts, self.orchestrator)

    def submit(self, selection: Selection | None = None) -> ExportJob:
        return self.requesting.submit(self.caller, self.dataset.id, Format.CSV, selection or Selection(), {})

    def complete(self, job: ExportJob) -> None:
        _, claim = self.jobs.claim(job.id, "run", DAY)
        self.jobs.complete(claim, factories.artifact(output_path="key"), DAY)


@pytest.fixture
def world() -> World:
    return World()


def test_an_export_is_stored_and_becomes_a_partition(world: World) -> None:
    job = world.submit()

    assert world.jobs.load(job.id) == job
    assert world.orchestrator.partitions == {job.id}


def test_an_export_is_accepted_while_dagster_is_away(world: World) -> None:
    world.orchestrator.away = True
    job = world.submit()

    assert world.jobs.load(job.id) == job


def test_an_unknown_dataset_is_refused(world: World) -> None:
    with pytest.raises(DatasetNotFound):
        world.requesting.submit(world.caller, DatasetId(uuid4()), Format.CSV, Selection(), {})


def test_ids_that_are_not_the_callers_are_named_by_position(world: World) -> None:
    world.directory.accounts[world.caller.user_id] = {"mine"}
    world.directory.accounts[UserId(uuid4())] = {"theirs"}
    with pytest.raises(InvalidRequest) as refused:
        world.submit(Selection(account_ids=("mine", "theirs", "nobodys"), tag_ids=("t",)))

    assert [problem.pointer for problem in refused.value.problems] == ["/account_ids/1", "/account_ids/2", "/tag_ids/0"]
    assert len({problem.detail for problem in refused.value.problems}) == 1
    assert world.jobs.rows == {}


def test_a_selection_that_does_not_fit_stores_nothing(world: World) -> None:
    with pytest.raises(InvalidRequest):
        world.submit(Selection(columns=("no_such_column",)))

    assert world.jobs.rows == {}


def test_somebody_elses_export_is_not_found(world: World) -> None:
    job = world.submit()
    stranger = factories.principal()

    for job_id in (job.id, JobId(uuid4())):
        with pytest.raises(ExportNotFound):
            world.requesting.find(stranger, job_id)
        with pytest.raises(ExportNotFound):
            world.requesting.cancel(stranger, job_id)
        with pytest.raises(ExportNotFound):
            world.requesting.open(stranger, job_id)


def test_the_file_of_a_completed_export_can_be_opened(world: World) -> None:
    job = world.submit()
    world.complete(job)
    world.artifacts.files["key"] = b"rows"
    found, artifact, file = world.requesting.open(world.caller, job.id)

    assert (found.status, artifact.output_path, file.read()) == (Status.COMPLETED, "key", b"rows")
    assert isinstance(file, BytesIO)


def test_a_file_that_is_not_there_has_a_reason(world: World) -> None:
    job = world.submit()
    with pytest.raises(ExportNotReady):
        world.requesting.open(world.caller, job.id)
    _, claim = world.jobs.claim(job.id, "run", DAY)
    with pytest.raises(ExportNotReady):
        world.requesting.open(world.caller, job.id)
    world.jobs.give_up(claim, replace(Failure.of(WarehouseChanged), retryable=False), 3)
    with pytest.raises(ExportUnavailable):
        world.requesting.open(world.caller, job.id)


def test_an_expired_export_says_so_before_its_file_is_gone(world: World) -> None:
    job = world.submit()
    world.complete(job)
    world.artifacts.files["key"] = b"rows"
    world.jobs.pass_time(DAY.total_seconds())
    with pytest.raises(ExportExpired):
        world.requesting.open(world.caller, job.id)


def test_a_missing_file_is_gone(world: World) -> None:
    job = world.submit()
    world.complete(job)
    with pytest.raises(ExportExpired):
        world.requesting.open(world.caller, job.id)


def test_cancelling_stops_the_run(world: World) -> None:
    job = world.submit()
    world.jobs.claim(job.id, "run", DAY)

    assert world.requesting.cancel(world.caller, job.id).status is Status.CANCELLED
    assert world.orchestrator.terminated == ["run"]


def test_what_has_ended_cannot_be_cancelled(world: World) -> None:
    job = world.submit()
    world.complete(job)
    with pytest.raises(ExportConflict):
        world.requesting.cancel(world.caller, job.id)
