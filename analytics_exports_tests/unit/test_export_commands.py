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
from analytics_exports_tests.fakes.adapters import FakeAdapters

DAY = timedelta(hours=24)
CONTENT = b"20 bytes of content."


def known_options(format: Format, options: Any) -> Any:
    """No format has an option called wrong."""
    if "wrong" in options:
        raise InvalidRequest(FieldProblem("/wrong", "This format has no such option."))
    return options


class OwnerServices(FakeAdapters):
    """The use cases of owners on adapters in memory, with one caller."""

    def __init__(self) -> None:
        super().__init__()
        self.caller = factories.principal()
        self.directory.ensure_user(self.caller)
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
def services() -> OwnerServices:
    return OwnerServices()


def test_an_export_is_stored_and_becomes_a_partition(services: OwnerServices) -> None:
    job = services.submit()

    assert services.jobs.load(job.id) == job
    assert services.orchestrator.partitions == {job.id}


def test_an_export_is_accepted_while_dagster_is_away(services: OwnerServices) -> None:
    services.orchestrator.away = True
    job = services.submit()

    assert services.jobs.load(job.id) == job


def test_an_unknown_dataset_is_refused(services: OwnerServices) -> None:
    with pytest.raises(DatasetNotFound):
        services.export_commands.submit(services.caller, DatasetId(uuid4()), Format.CSV, Selection(), {})


def test_ids_that_are_not_the_callers_are_named_by_position(services: OwnerServices) -> None:
    services.directory.accounts[services.caller.user_id] = {"mine"}
    services.directory.accounts[UserId(uuid4())] = {"theirs"}
    with pytest.raises(InvalidRequest) as refused:
        services.submit(Selection(account_ids=("mine", "theirs", "nobodys"), tag_ids=("t",)))

    assert [problem.pointer for problem in refused.value.problems] == ["/account_ids/1", "/account_ids/2", "/tag_ids/0"]
    assert len({problem.detail for problem in refused.value.problems}) == 1
    assert services.jobs.rows == {}


@pytest.mark.parametrize(
    ("selection", "options"), [(Selection(columns=("no_such_column",)), {}), (Selection(), {"wrong": 1})]
)
def test_a_request_that_does_not_fit_stores_nothing(
    services: OwnerServices, selection: Selection, options: Any
) -> None:
    with pytest.raises(InvalidRequest):
        services.submit(selection, options)

    assert services.jobs.rows == {}


def test_nothing_is_stored_when_no_file_could_be(services: OwnerServices) -> None:
    services.artifacts.free_bytes = 0
    with pytest.raises(StorageFull):
        services.submit()

    assert services.jobs.rows == {}


def test_a_user_has_so_many_unfinished_exports_and_no_more(services: OwnerServices) -> None:
    first, *_ = [services.submit() for _ in range(3)]
    with pytest.raises(TooManyExports):
        services.submit()
    services.fail(first)
    services.submit()


def test_a_key_is_answered_with_the_same_export_and_tells_that_it_is(services: OwnerServices) -> None:
    first = services.submitted(key="key", options={"a": {"x": 1, "y": 2}})
    again = services.submitted(key="key", options={"a": {"y": 2, "x": 1}})

    assert (first.replayed, again.replayed) == (False, True)
    assert first.job == again.job


def test_a_key_is_answered_also_when_the_request_could_not_be_made_now(services: OwnerServices) -> None:
    first = services.submit(key="key")
    services.catalogue.publish([])
    services.artifacts.away = True

    assert services.submit(key="key") == first


def test_a_key_with_another_request_is_refused(services: OwnerServices) -> None:
    services.submit(key="key")
    with pytest.raises(IdempotencyKeyReused):
        services.submit(Selection(columns=("amount",)), key="key")
    with pytest.raises(IdempotencyKeyReused):
        services.submit(options={"compression": "gzip"}, key="key")


def test_what_ended_without_a_file_can_be_asked_for_once_more(services: OwnerServices) -> None:
    job = services.submit(Selection(columns=("AMOUNT",)), {"compression": "gzip"})
    services.fail(job)
    again = services.export_commands.retry(services.caller, job.id).job

    assert (again.retry_of, again.status, again.request) == (job.id, Status.PENDING, job.request)
    assert again.id != job.id


def test_a_retry_with_a_key_is_made_once(services: OwnerServices) -> None:
    job = services.submit()
    services.fail(job)
    one, two = (services.export_commands.retry(services.caller, job.id, key="key").job for _ in range(2))

    assert one == two


def test_what_is_unfinished_or_completed_is_not_asked_for_once_more(services: OwnerServices) -> None:
    job = services.submit()
    with pytest.raises(ExportConflict):
        services.export_commands.retry(services.caller, job.id)
    services.complete(job)
    with pytest.raises(ExportConflict):
        services.export_commands.retry(services.caller, job.id)


def test_a_retry_asks_for_what_may_be_asked_now(services: OwnerServices) -> None:
    job = services.submit()
    services.fail(job)
    services.catalogue.publish([])
    with pytest.raises(DatasetNotFound):
        services.export_commands.retry(services.caller, job.id)


def test_somebody_elses_export_is_not_found(services: OwnerServices) -> None:
    job = services.submit()
    stranger = factories.principal()

    for job_id in (job.id, JobId(uuid4())):
        for action in (
            services.export_reader.state,
            services.downloads.open,
            services.downloads.create_link,
            services.export_commands.remove,
            services.export_commands.retry,
        ):
            with pytest.raises(ExportNotFound):
                action(stranger, job_id)


def test_the_file_of_a_completed_export_can_be_opened(services: OwnerServices) -> None:
    job = services.submit()
    services.complete(job)
    found = services.downloads.open(services.caller, job.id)

    assert (found.job.status, found.artifact.output_path) == (Status.COMPLETED, str(job.id))
    assert isinstance(found.file, BytesIO)
    assert found.file.getvalue() == CONTENT


def test_a_file_that_is_not_there_has_a_reason(services: OwnerServices) -> None:
    job = services.submit()
    with pytest.raises(ExportNotReady):
        services.downloads.open(services.caller, job.id)
    _, claim = services.jobs.claim(job.id, "run", DAY)
    with pytest.raises(ExportNotReady):
        services.downloads.open(services.caller, job.id)
    services.jobs.fail_attempt(claim, Failure.of(DatasetChanged), 3)
    with pytest.raises(ExportUnavailable):
        services.downloads.open(services.caller, job.id)


def test_an_expired_export_says_so_before_its_file_is_gone(services: OwnerServices) -> None:
    job = services.submit()
    services.complete(job)
    services.jobs.pass_time(DAY.total_seconds())
    with pytest.raises(ExportExpired):
        services.downloads.open(services.caller, job.id)


@pytest.mark.parametrize("content", [None, CONTENT[:-1], CONTENT + b"."])
def test_an_export_whose_file_is_missing_or_damaged_has_expired(services: OwnerServices, content: bytes | None) -> None:
    job = services.submit()
    services.complete(job, content)
    with pytest.raises(ExportExpired):
        services.downloads.open(services.caller, job.id)

    assert services.export_reader.state(services.caller, job.id).job.status is Status.EXPIRED
    assert services.export_commands.retry(services.caller, job.id).job.retry_of == job.id


def test_removing_a_live_export_cancels_it_and_stops_its_run(services: OwnerServices) -> None:
    job = services.submit()
    services.jobs.claim(job.id, "run", DAY)

    for _ in range(2):
        assert services.export_commands.remove(services.caller, job.id).status is Status.CANCELLED
    assert services.orchestrator.terminated == ["run"]


def test_an_export_is_cancelled_while_dagster_is_away(services: OwnerServices) -> None:
    job = services.submit()
    services.jobs.claim(job.id, "run", DAY)
    services.orchestrator.away = True

    assert services.export_commands.remove(services.caller, job.id).status is Status.CANCELLED


def test_removing_a_completed_export_removes_its_file(services: OwnerServices) -> None:
    job = services.submit()
    services.complete(job)

    for _ in range(2):
        assert services.export_commands.remove(services.caller, job.id).status is Status.EXPIRED
    assert services.artifacts.files == {}


def test_removing_a_failed_export_changes_nothing(services: OwnerServices) -> None:
    job = services.submit()
    services.fail(job)

    assert services.export_commands.remove(services.caller, job.id).status is Status.FAILED


def test_a_pending_export_has_a_place_in_the_queue(services: OwnerServices) -> None:
    first, second = services.submit(), services.submit()
    assert [services.export_reader.state(services.caller, job.id).queue_position for job in (first, second)] == [1, 2]

    services.jobs.claim(first.id, "run", DAY)
    assert [services.export_reader.state(services.caller, job.id).queue_position for job in (first, second)] == [
        None,
        1,
    ]


def test_a_list_is_read_page_by_page(services: OwnerServices) -> None:
    jobs = [services.submit() for _ in range(3)]
    first = services.export_reader.list(services.caller, ExportFilter(), 2)
    assert first.next is not None
    second = services.export_reader.list(services.caller, ExportFilter(), 2, first.next)

    assert [*first.jobs, *second.jobs] == jobs[::-1]
    assert second.next is None


def test_a_cursor_fits_its_caller_and_its_filters_only(services: OwnerServices) -> None:
    for _ in range(2):
        services.submit()
    cursor = services.export_reader.list(services.caller, ExportFilter(), 1).next
    assert cursor is not None
    pending = ExportFilter(statuses=(Status.PENDING,))

    for caller, which, text in (
        (factories.principal(), ExportFilter(), cursor),
        (services.caller, pending, cursor),
        (services.caller, ExportFilter(), cursor[:-1]),
        (services.caller, ExportFilter(), "nonsense"),
    ):
        with pytest.raises(InvalidRequest) as refused:
            services.export_reader.list(caller, which, 1, text)
        assert [problem.pointer for problem in refused.value.problems] == ["/cursor"]


def test_a_link_opens_one_file_for_a_while(services: OwnerServices) -> None:
    job = services.submit()
    services.complete(job)
    link = services.downloads.create_link(services.caller, job.id)

    assert services.downloads.open_link(link.secret).job.id == job.id
    assert link.expires_at == datetime.fromtimestamp(1300, UTC)
    services.time += 300
    with pytest.raises(InvalidLink):
        services.downloads.open_link(link.secret)


def test_an_altered_link_opens_nothing(services: OwnerServices) -> None:
    job = services.submit()
    services.complete(job)
    link = services.downloads.create_link(services.caller, job.id).secret

    for at in range(0, len(link) - 1, 7):  # two bits of the last character mean nothing in Base64
        altered = link[:at] + ("A" if link[at] != "A" else "B") + link[at + 1 :]
        with pytest.raises(InvalidLink):
            services.downloads.open_link(altered)


def test_a_link_of_a_disabled_user_opens_nothing(services: OwnerServices) -> None:
    job = services.submit()
    services.complete(job)
    link = services.downloads.create_link(services.caller, job.id).secret
    services.directory.disabled.add(services.caller.user_id)
    with pytest.raises(InvalidLink):
        services.downloads.open_link(link)


def test_a_cursor_is_no_link(services: OwnerServices) -> None:
    for _ in range(2):
        services.submit()
    cursor = services.export_reader.list(services.caller, ExportFilter(), 1).next
    assert cursor is not None
    with pytest.raises(InvalidLink):
        services.downloads.open_link(cursor)


def test_there_is_a_link_to_a_completed_export_only(services: OwnerServices) -> None:
    job = services.submit()
    with pytest.raises(ExportConflict):
        services.downloads.create_link(services.caller, job.id)


def test_while_a_file_is_replaced_nothing_is_concluded_from_what_is_there(
    services: OwnerServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "REPLACEMENT_WAITS", (0,))
    job = services.submit()
    services.complete(job, None)
    services.jobs.claim(job.id, "again", DAY, remake=True)
    with pytest.raises(Unavailable):
        services.downloads.open(services.caller, job.id)
    assert services.export_reader.state(services.caller, job.id).job.status is Status.COMPLETED

    services.artifacts.files[str(job.id)] = CONTENT
    found = services.downloads.open(services.caller, job.id)
    assert found.file.read() == CONTENT
    assert services.downloads.store_address(found) is None  # another file could be there when it is followed


def test_the_store_may_send_a_file_that_stays(services: OwnerServices) -> None:
    job = services.submit()
    services.complete(job)

    assert services.downloads.store_address(services.downloads.open(services.caller, job.id)) == (
        f"memory:///{job.id}?seconds=300"
    )


def test_a_file_that_was_copied_to_another_place_is_known_by_its_checksum(services: OwnerServices) -> None:
    job = services.submit()
    _, claim = services.jobs.claim(job.id, "run", DAY)
    sha256 = hashlib.sha256(CONTENT).hexdigest()
    facts = factories.artifact(output_path=str(job.id), file_size_bytes=len(CONTENT), sha256=sha256, version="before")
    services.jobs.complete(claim, facts, DAY)
    services.artifacts.files[str(job.id)], services.artifacts.versions[str(job.id)] = CONTENT, "copied"
    assert services.downloads.open(services.caller, job.id).artifact == facts

    services.artifacts.files[str(job.id)] = CONTENT[::-1]
    with pytest.raises(ExportExpired):
        services.downloads.open(services.caller, job.id)


def test_cancelling_removes_what_was_published_a_moment_before(services: OwnerServices) -> None:
    job = services.submit()
    services.jobs.claim(job.id, "run", DAY)
    services.artifacts.files[artifact_key(job)] = CONTENT
    services.export_commands.remove(services.caller, job.id)

    assert services.artifacts.files == {}


def test_a_file_that_was_replaced_after_its_row_was_read_is_no_damage(
    services: OwnerServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = services.submit()
    services.complete(job)
    stale = services.export_reader.state(services.caller, job.id).job
    _, claim = services.jobs.claim(job.id, "again", DAY, remake=True)
    new = factories.artifact(output_path=str(job.id), file_size_bytes=4, version="new")
    services.jobs.complete(claim, new, DAY)
    services.artifacts.files[str(job.id)], services.artifacts.versions[str(job.id)] = b"new.", "new"
    usual, reads = services.jobs.find, iter([stale])
    monkeypatch.setattr(services.jobs, "find", lambda *which: next(reads, None) or usual(*which))

    assert services.downloads.open(services.caller, job.id).artifact == new
