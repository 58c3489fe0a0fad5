"""What an owner can do with exports."""

import hashlib
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest

from analytics_exports.domain.access import UserId
from analytics_exports.domain.dataset import DatasetId
from analytics_exports.domain.errors import (
    DatasetChanged,
    DatasetNotFound,
    ExportConflict,
    ExportExpired,
    ExportNotFound,
    ExportNotReady,
    ExportUnavailable,
    FieldProblem,
    IdempotencyKeyReused,
    InvalidLink,
    InvalidRequest,
    StorageFull,
    TooManyExports,
    Unavailable,
)
from analytics_exports.domain.export import ExportFilter, ExportJob, Failure, JobId, Status
from analytics_exports.domain.formats import Format
from analytics_exports.domain.selection import Selection
from analytics_exports.services import downloads
from analytics_exports.services.datasets import DatasetReader
from analytics_exports.services.downloads import Downloads
from analytics_exports.services.export_commands import ExportCommands, Submitted
from analytics_exports.services.export_reader import ExportReader
from analytics_exports.services.production import artifact_key
from analytics_exports.services.signing import Signer
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.artifacts import FakeArtifactStore
from analytics_exports_tests.fakes.catalogue import FakeCatalogue
from analytics_exports_tests.fakes.directory import FakeDirectory
from analytics_exports_tests.fakes.jobs import FakeJobStore
from analytics_exports_tests.fakes.orchestrator import FakeOrchestrator

DAY = timedelta(hours=24)
CONTENT = b"20 bytes of content."


def known_options(format: Format, options: Any) -> Any:
    """No format has an option called wrong."""
    if "wrong" in options:
        raise InvalidRequest(FieldProblem("/wrong", "This format has no such option."))
    return options


class World:
    """The use cases over fakes, with one caller."""

    def __init__(self) -> None:
        self.caller = factories.principal()
        self.jobs = FakeJobStore()
        self.directory = FakeDirectory()
        self.directory.ensure_user(self.caller)
        self.orchestrator = FakeOrchestrator()
        self.artifacts = FakeArtifactStore()
        self.dataset = factories.dataset()
        self.catalogue = FakeCatalogue([self.dataset])
        self.export_commands = ExportCommands(
            datasets=DatasetReader(self.catalogue, self.directory),
            check_options=known_options,
            jobs=self.jobs,
            artifacts=self.artifacts,
            orchestrator=self.orchestrator,
            max_unfinished=3,
        )
        signer = Signer(lambda: b"secret")
        self.export_reader = ExportReader(self.jobs, signer)
        self.time = 1000.0
        self.downloads = Downloads(
            self.jobs, self.artifacts, self.directory, signer, timedelta(seconds=300), lambda: self.time
        )

    def submit(self, selection: Selection | None = None, options: Any = None, key: str | None = None) -> ExportJob:
        return self.submitted(selection, options, key).job

    def submitted(self, selection: Selection | None = None, options: Any = None, key: str | None = None) -> Submitted:
        selection = selection or Selection()
        return self.export_commands.submit(self.caller, self.dataset.id, Format.CSV, selection, options or {}, key=key)

    def complete(self, job: ExportJob, content: bytes | None = CONTENT) -> None:
        _, claim = self.jobs.claim(job.id, "run", DAY)
        self.jobs.complete(claim, factories.artifact(output_path=str(job.id)), DAY)
        if content is not None:
            self.artifacts.files[str(job.id)] = content

    def fail(self, job: ExportJob) -> None:
        _, claim = self.jobs.claim(job.id, "run", DAY)
        self.jobs.fail_attempt(claim, Failure.of(DatasetChanged), 3)


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
        world.export_commands.submit(world.caller, DatasetId(uuid4()), Format.CSV, Selection(), {})


def test_ids_that_are_not_the_callers_are_named_by_position(world: World) -> None:
    world.directory.accounts[world.caller.user_id] = {"mine"}
    world.directory.accounts[UserId(uuid4())] = {"theirs"}
    with pytest.raises(InvalidRequest) as refused:
        world.submit(Selection(account_ids=("mine", "theirs", "nobodys"), tag_ids=("t",)))

    assert [problem.pointer for problem in refused.value.problems] == ["/account_ids/1", "/account_ids/2", "/tag_ids/0"]
    assert len({problem.detail for problem in refused.value.problems}) == 1
    assert world.jobs.rows == {}


@pytest.mark.parametrize(
    ("selection", "options"), [(Selection(columns=("no_such_column",)), {}), (Selection(), {"wrong": 1})]
)
def test_a_request_that_does_not_fit_stores_nothing(world: World, selection: Selection, options: Any) -> None:
    with pytest.raises(InvalidRequest):
        world.submit(selection, options)

    assert world.jobs.rows == {}


def test_nothing_is_stored_when_no_file_could_be(world: World) -> None:
    world.artifacts.free_bytes = 0
    with pytest.raises(StorageFull):
        world.submit()

    assert world.jobs.rows == {}


def test_a_user_has_so_many_unfinished_exports_and_no_more(world: World) -> None:
    first, *_ = [world.submit() for _ in range(3)]
    with pytest.raises(TooManyExports):
        world.submit()
    world.fail(first)
    world.submit()


def test_a_key_is_answered_with_the_same_export_and_tells_that_it_is(world: World) -> None:
    first = world.submitted(key="key", options={"a": {"x": 1, "y": 2}})
    again = world.submitted(key="key", options={"a": {"y": 2, "x": 1}})

    assert (first.replayed, again.replayed) == (False, True)
    assert first.job == again.job


def test_a_key_is_answered_also_when_the_request_could_not_be_made_now(world: World) -> None:
    first = world.submit(key="key")
    world.catalogue.publish([])
    world.artifacts.away = True

    assert world.submit(key="key") == first


def test_a_key_with_another_request_is_refused(world: World) -> None:
    world.submit(key="key")
    with pytest.raises(IdempotencyKeyReused):
        world.submit(Selection(columns=("amount",)), key="key")
    with pytest.raises(IdempotencyKeyReused):
        world.submit(options={"compression": "gzip"}, key="key")


def test_what_ended_without_a_file_can_be_asked_for_once_more(world: World) -> None:
    job = world.submit(Selection(columns=("AMOUNT",)), {"compression": "gzip"})
    world.fail(job)
    again = world.export_commands.retry(world.caller, job.id).job

    assert (again.retry_of, again.status, again.request) == (job.id, Status.PENDING, job.request)
    assert again.id != job.id


def test_a_retry_with_a_key_is_made_once(world: World) -> None:
    job = world.submit()
    world.fail(job)
    one, two = (world.export_commands.retry(world.caller, job.id, key="key").job for _ in range(2))

    assert one == two


def test_what_is_unfinished_or_completed_is_not_asked_for_once_more(world: World) -> None:
    job = world.submit()
    with pytest.raises(ExportConflict):
        world.export_commands.retry(world.caller, job.id)
    world.complete(job)
    with pytest.raises(ExportConflict):
        world.export_commands.retry(world.caller, job.id)


def test_a_retry_asks_for_what_may_be_asked_now(world: World) -> None:
    job = world.submit()
    world.fail(job)
    world.catalogue.publish([])
    with pytest.raises(DatasetNotFound):
        world.export_commands.retry(world.caller, job.id)


def test_somebody_elses_export_is_not_found(world: World) -> None:
    job = world.submit()
    stranger = factories.principal()

    for job_id in (job.id, JobId(uuid4())):
        for action in (
            world.export_reader.state,
            world.downloads.open,
            world.downloads.create_link,
            world.export_commands.remove,
            world.export_commands.retry,
        ):
            with pytest.raises(ExportNotFound):
                action(stranger, job_id)


def test_the_file_of_a_completed_export_can_be_opened(world: World) -> None:
    job = world.submit()
    world.complete(job)
    found = world.downloads.open(world.caller, job.id)

    assert (found.job.status, found.artifact.output_path) == (Status.COMPLETED, str(job.id))
    assert isinstance(found.file, BytesIO)
    assert found.file.getvalue() == CONTENT


def test_a_file_that_is_not_there_has_a_reason(world: World) -> None:
    job = world.submit()
    with pytest.raises(ExportNotReady):
        world.downloads.open(world.caller, job.id)
    _, claim = world.jobs.claim(job.id, "run", DAY)
    with pytest.raises(ExportNotReady):
        world.downloads.open(world.caller, job.id)
    world.jobs.fail_attempt(claim, Failure.of(DatasetChanged), 3)
    with pytest.raises(ExportUnavailable):
        world.downloads.open(world.caller, job.id)


def test_an_expired_export_says_so_before_its_file_is_gone(world: World) -> None:
    job = world.submit()
    world.complete(job)
    world.jobs.pass_time(DAY.total_seconds())
    with pytest.raises(ExportExpired):
        world.downloads.open(world.caller, job.id)


@pytest.mark.parametrize("content", [None, CONTENT[:-1], CONTENT + b"."])
def test_an_export_whose_file_is_missing_or_damaged_has_expired(world: World, content: bytes | None) -> None:
    job = world.submit()
    world.complete(job, content)
    with pytest.raises(ExportExpired):
        world.downloads.open(world.caller, job.id)

    assert world.export_reader.state(world.caller, job.id).job.status is Status.EXPIRED
    assert world.export_commands.retry(world.caller, job.id).job.retry_of == job.id


def test_removing_a_live_export_cancels_it_and_stops_its_run(world: World) -> None:
    job = world.submit()
    world.jobs.claim(job.id, "run", DAY)

    for _ in range(2):
        assert world.export_commands.remove(world.caller, job.id).status is Status.CANCELLED
    assert world.orchestrator.terminated == ["run"]


def test_an_export_is_cancelled_while_dagster_is_away(world: World) -> None:
    job = world.submit()
    world.jobs.claim(job.id, "run", DAY)
    world.orchestrator.away = True

    assert world.export_commands.remove(world.caller, job.id).status is Status.CANCELLED


def test_removing_a_completed_export_removes_its_file(world: World) -> None:
    job = world.submit()
    world.complete(job)

    for _ in range(2):
        assert world.export_commands.remove(world.caller, job.id).status is Status.EXPIRED
    assert world.artifacts.files == {}


def test_removing_a_failed_export_changes_nothing(world: World) -> None:
    job = world.submit()
    world.fail(job)

    assert world.export_commands.remove(world.caller, job.id).status is Status.FAILED


def test_a_pending_export_has_a_place_in_the_queue(world: World) -> None:
    first, second = world.submit(), world.submit()
    assert [world.export_reader.state(world.caller, job.id).queue_position for job in (first, second)] == [1, 2]

    world.jobs.claim(first.id, "run", DAY)
    assert [world.export_reader.state(world.caller, job.id).queue_position for job in (first, second)] == [None, 1]


def test_a_list_is_read_page_by_page(world: World) -> None:
    jobs = [world.submit() for _ in range(3)]
    first = world.export_reader.list(world.caller, ExportFilter(), 2)
    assert first.next is not None
    second = world.export_reader.list(world.caller, ExportFilter(), 2, first.next)

    assert [*first.jobs, *second.jobs] == jobs[::-1]
    assert second.next is None


def test_a_cursor_fits_its_caller_and_its_filters_only(world: World) -> None:
    for _ in range(2):
        world.submit()
    cursor = world.export_reader.list(world.caller, ExportFilter(), 1).next
    assert cursor is not None
    pending = ExportFilter(statuses=(Status.PENDING,))

    for caller, which, text in (
        (factories.principal(), ExportFilter(), cursor),
        (world.caller, pending, cursor),
        (world.caller, ExportFilter(), cursor[:-1]),
        (world.caller, ExportFilter(), "nonsense"),
    ):
        with pytest.raises(InvalidRequest) as refused:
            world.export_reader.list(caller, which, 1, text)
        assert [problem.pointer for problem in refused.value.problems] == ["/cursor"]


def test_a_link_opens_one_file_for_a_while(world: World) -> None:
    job = world.submit()
    world.complete(job)
    link = world.downloads.create_link(world.caller, job.id)

    assert world.downloads.open_link(link.secret).job.id == job.id
    assert link.expires_at == datetime.fromtimestamp(1300, UTC)
    world.time += 300
    with pytest.raises(InvalidLink):
        world.downloads.open_link(link.secret)


def test_an_altered_link_opens_nothing(world: World) -> None:
    job = world.submit()
    world.complete(job)
    link = world.downloads.create_link(world.caller, job.id).secret

    for at in range(0, len(link) - 1, 7):  # two bits of the last character mean nothing in Base64
        altered = link[:at] + ("A" if link[at] != "A" else "B") + link[at + 1 :]
        with pytest.raises(InvalidLink):
            world.downloads.open_link(altered)


def test_a_link_of_a_disabled_user_opens_nothing(world: World) -> None:
    job = world.submit()
    world.complete(job)
    link = world.downloads.create_link(world.caller, job.id).secret
    world.directory.disabled.add(world.caller.user_id)
    with pytest.raises(InvalidLink):
        world.downloads.open_link(link)


def test_a_cursor_is_no_link(world: World) -> None:
    for _ in range(2):
        world.submit()
    cursor = world.export_reader.list(world.caller, ExportFilter(), 1).next
    assert cursor is not None
    with pytest.raises(InvalidLink):
        world.downloads.open_link(cursor)


def test_there_is_a_link_to_a_completed_export_only(world: World) -> None:
    job = world.submit()
    with pytest.raises(ExportConflict):
        world.downloads.create_link(world.caller, job.id)


def test_while_a_file_is_replaced_nothing_is_concluded_from_what_is_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "REPLACEMENT_WAITS", (0,))
    job = world.submit()
    world.complete(job, None)
    world.jobs.claim(job.id, "again", DAY, remake=True)
    with pytest.raises(Unavailable):
        world.downloads.open(world.caller, job.id)
    assert world.export_reader.state(world.caller, job.id).job.status is Status.COMPLETED

    world.artifacts.files[str(job.id)] = CONTENT
    found = world.downloads.open(world.caller, job.id)
    assert found.file.read() == CONTENT
    assert world.downloads.store_address(found) is None  # another file could be there when it is followed


def test_the_store_may_send_a_file_that_stays(world: World) -> None:
    job = world.submit()
    world.complete(job)

    assert world.downloads.store_address(world.downloads.open(world.caller, job.id)) == (
        f"memory:///{job.id}?seconds=300"
    )


def test_a_file_that_was_copied_to_another_place_is_known_by_its_checksum(world: World) -> None:
    job = world.submit()
    _, claim = world.jobs.claim(job.id, "run", DAY)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    facts = factories.artifact(output_path=str(job.id), file_size_bytes=len(CONTENT), sha256=sha256, version="before")
    world.jobs.complete(claim, facts, DAY)
    world.artifacts.files[str(job.id)], world.artifacts.versions[str(job.id)] = CONTENT, "copied"
    assert world.downloads.open(world.caller, job.id).artifact == facts

    world.artifacts.files[str(job.id)] = CONTENT[::-1]
    with pytest.raises(ExportExpired):
        world.downloads.open(world.caller, job.id)


def test_cancelling_removes_what_was_published_a_moment_before(world: World) -> None:
    job = world.submit()
    world.jobs.claim(job.id, "run", DAY)
    world.artifacts.files[artifact_key(job)] = CONTENT
    world.export_commands.remove(world.caller, job.id)

    assert world.artifacts.files == {}


def test_a_file_that_was_replaced_after_its_row_was_read_is_no_damage(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = world.submit()
    world.complete(job)
    stale = world.export_reader.state(world.caller, job.id).job
    _, claim = world.jobs.claim(job.id, "again", DAY, remake=True)
    new = factories.artifact(output_path=str(job.id), file_size_bytes=4, version="new")
    world.jobs.complete(claim, new, DAY)
    world.artifacts.files[str(job.id)], world.artifacts.versions[str(job.id)] = b"new.", "new"
    usual, reads = world.jobs.find, iter([stale])
    monkeypatch.setattr(world.jobs, "find", lambda *which: next(reads, None) or usual(*which))

    assert world.downloads.open(world.caller, job.id).artifact == new
