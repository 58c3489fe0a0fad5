"""The state machine, explored."""

from datetime import timedelta

from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from analytics_exports.domain.errors import ClaimLost, DatasetChanged, WarehouseChanged
from analytics_exports.domain.export import LIVE, Claim, Failure, Status
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.jobs import FakeJobStore

LEASE, LAUNCH_TTL, DAY = timedelta(seconds=20), timedelta(seconds=60), timedelta(hours=24)


class OneExport(RuleBasedStateMachine):
    """Anything may happen to an export in any order; the fake asserts that each transition is legal."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs = FakeJobStore()
        self.owner = factories.principal()
        self.id = self.jobs.create(self.owner, factories.request()).id
        self.claims: list[Claim] = []
        self.completions = 0

    @property
    def status(self) -> Status:
        return self.jobs.rows[self.id].job.status

    @rule()
    def time_passes(self) -> None:
        self.jobs.pass_time(15)

    @rule()
    def a_day_passes(self) -> None:
        self.jobs.pass_time(DAY.total_seconds())

    @rule()
    def a_sensor_ticks(self) -> None:
        self.jobs.lease_pending(10, LAUNCH_TTL)

    @rule()
    def a_worker_claims(self) -> None:
        try:
            self.claims.append(self.jobs.claim(self.id, "run", LEASE)[1])
        except ClaimLost:
            assert self.status is not Status.PENDING

    @precondition(lambda self: self.claims)
    @rule()
    def an_old_worker_wakes_up(self) -> None:
        if len(self.claims) > 1:
            assert not self.jobs.complete(self.claims[0], factories.artifact(), DAY)
            assert not self.jobs.fail_attempt(self.claims[0], Failure.of(DatasetChanged), 3)

    @precondition(lambda self: self.claims)
    @rule()
    def the_worker_publishes(self) -> None:
        before = self.status
        if self.jobs.complete(self.claims[-1], factories.artifact(), DAY) and before is Status.RUNNING:
            self.completions += 1

    @precondition(lambda self: self.claims)
    @rule()
    def the_worker_fails(self) -> None:
        self.jobs.fail_attempt(self.claims[-1], Failure.of(WarehouseChanged), 3)

    @rule()
    def the_reaper_comes(self) -> None:
        for claim in self.jobs.expired_leases(10):
            self.jobs.fail_attempt(claim, Failure.of(WarehouseChanged), 3)

    @rule()
    def the_owner_cancels(self) -> None:
        self.jobs.cancel(self.owner.user_id, self.id)

    @rule()
    def the_cleaner_comes(self) -> None:
        self.jobs.expire(10)

    @invariant()
    def it_completes_at_most_once(self) -> None:
        assert self.completions <= 1

    @invariant()
    def what_has_ended_says_when(self) -> None:
        job = self.jobs.rows[self.id].job
        assert (job.completed_at is None) == (job.status in LIVE)

    @invariant()
    def what_completed_has_a_file(self) -> None:
        job = self.jobs.rows[self.id].job
        if job.status in (Status.COMPLETED, Status.EXPIRED):
            assert job.artifact is not None
            assert job.expires_at is not None


TestOneExport = OneExport.TestCase
TestOneExport.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
