"""The sweep: what attempts left behind is removed, what is still offered stays."""

from datetime import timedelta

import pytest

from analytics_exports.domain.errors import OutOfMemory, StorageUnavailable
from analytics_exports.domain.export import Claim, Failure
from analytics_exports.services.production import artifact_key
from analytics_exports.services.retention import Retention
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.adapters import FakeAdapters

DAY = timedelta(hours=24)


@pytest.fixture
def retention(adapters: FakeAdapters) -> Retention:
    return Retention(adapters.jobs, adapters.artifacts, adapters.orchestrator, DAY)


def leave_behind(adapters: FakeAdapters, claim: Claim, attempt: int) -> None:
    """What a killed worker leaves."""
    adapters.artifacts.partials[key_of(adapters, claim), attempt] = b"half"


def key_of(adapters: FakeAdapters, claim: Claim) -> str:
    return artifact_key(adapters.job(claim.job_id))


def test_the_file_of_a_completed_export_stays(adapters: FakeAdapters, retention: Retention) -> None:
    claim = adapters.running()
    adapters.publish(claim)
    assert retention.sweep() == 0, "published, and not yet noted as completed"
    adapters.jobs.complete(claim, factories.artifact(), DAY)

    assert retention.sweep() == 0
    assert adapters.artifacts.files


def test_what_an_attempt_writes_now_stays_and_what_an_earlier_one_left_goes(
    adapters: FakeAdapters, retention: Retention
) -> None:
    claim = adapters.running()
    leave_behind(adapters, claim, claim.attempt)
    assert retention.sweep() == 0
    adapters.jobs.fail_attempt(claim, Failure.of(OutOfMemory), max_attempts=1)

    assert retention.sweep() == 1
    assert not adapters.artifacts.partials


def test_an_attempt_before_the_current_one_is_over(adapters: FakeAdapters, retention: Retention) -> None:
    claim = adapters.running()
    leave_behind(adapters, claim, claim.attempt - 1)
    leave_behind(adapters, claim, claim.attempt)

    assert retention.sweep() == 1
    assert list(adapters.artifacts.partials) == [(key_of(adapters, claim), claim.attempt)]


def test_files_of_cancelled_and_unknown_exports_go(adapters: FakeAdapters, retention: Retention) -> None:
    cancelled, unknown = adapters.running(), adapters.running()
    adapters.publish(cancelled)
    adapters.publish(unknown)
    adapters.cancel(cancelled.job_id)
    del adapters.jobs.rows[unknown.job_id]

    assert retention.sweep() == 2
    assert not adapters.artifacts.files


def test_a_file_that_cannot_be_removed_keeps_no_other_from_going(
    adapters: FakeAdapters, retention: Retention, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = [adapters.running() for _ in range(3)]
    for claim in claims:
        adapters.jobs.complete(claim, factories.artifact(), DAY)
    adapters.jobs.pass_time(DAY.total_seconds() + 1)
    removed: list[str] = []

    def remove(key: str) -> None:
        if not removed:
            removed.append("the first is stuck")
            raise StorageUnavailable
        removed.append(key)

    monkeypatch.setattr(adapters.artifacts, "remove", remove)

    assert retention.expire() == 3
    assert len(removed) == 4


def test_nothing_is_expired_twice_while_the_store_is_away(adapters: FakeAdapters, retention: Retention) -> None:
    claim = adapters.running()
    adapters.jobs.complete(claim, factories.artifact(), DAY)
    adapters.jobs.pass_time(DAY.total_seconds() + 1)
    adapters.artifacts.away = True
    with pytest.raises(StorageUnavailable):
        retention.expire()
    adapters.artifacts.away = False

    assert retention.expire() == 1
