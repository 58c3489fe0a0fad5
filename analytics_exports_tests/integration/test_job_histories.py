"""PostgreSQL and the fake job store reach the same states, for any sequence of events and for concurrent ones."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from random import Random
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine, text

from analytics_exports.database import transitions
from analytics_exports.domain.errors import ClaimLost, DatasetChanged, TooManyExports, WarehouseChanged, WorkerLost
from analytics_exports.domain.export import LIVE, Claim, ExportJob, Failure, JobId, Launch, Status
from analytics_exports_tests import factories
from analytics_exports_tests.ports.test_jobs import JobStoreHarness, in_memory, in_postgresql

LEASE, LAUNCH_TTL, DAY = timedelta(seconds=20), timedelta(seconds=60), timedelta(hours=24)
LOST = Failure.of(WorkerLost)
FAILURES = {"transient": Failure.of(WarehouseChanged), "permanent": Failure.of(DatasetChanged)}
SOME = 3

LEGAL = {
    (None, "pending"),
    *(("pending", after) for after in ("running", "cancelled", "failed")),
    *(("running", after) for after in ("pending", "completed", "failed", "cancelled")),
    ("completed", "expired"),
}


class Side:
    """Some exports in one store, and the claims that workers ever had on them."""

    def __init__(self, harness: JobStoreHarness) -> None:
        self.harness = harness
        self.owner = harness.make_user()
        self.ids: list[JobId] = [harness.store.create(self.owner, factories.request()).id for _ in range(SOME)]
        self.claims: list[list[Claim]] = [[] for _ in range(SOME)]
        self.launches: list[Launch] = []

    def claim(self, which: int, *, remake: bool = False) -> bool:
        run_id = self.run(len(self.claims[which]))
        try:
            claim = self.harness.store.claim(self.ids[which], run_id, LEASE, remake=remake)[1]
        except ClaimLost:
            return False
        self.claims[which].append(claim)
        return True

    def take(self, limit: int) -> list[tuple[int, int]]:
        """Which exports a sensor gets, and for which time each. Other tests' exports are given back."""
        taken = self.harness.store.lease_pending(1000, LAUNCH_TTL)
        mine = [launch for launch in taken if launch.job_id in self.ids]
        self.launches += mine[:limit]
        self.harness.store.unlease([launch for launch in taken if launch not in mine[:limit]])
        return [(self.ids.index(launch.job_id), launch.number) for launch in mine]

    def publish(self, claim: Claim) -> bool:
        try:
            with self.harness.store.publishing(claim):
                return True
        except ClaimLost:
            return False

    def reap(self) -> list[int]:
        """End the attempts whose lease is over, as the projection does."""
        over = [claim for claim in self.harness.store.expired_leases(1000) if claim.job_id in self.ids]
        for claim in over:
            assert self.harness.store.fail_attempt(claim, LOST, 3)
        return sorted(self.ids.index(claim.job_id) for claim in over)

    def run(self, number: int) -> str:
        return f"run {number} of {self.owner.user_id}"

    def jobs(self) -> list[ExportJob]:
        return [job for job_id in self.ids if (job := self.harness.store.load(job_id))]

    def states(self) -> list[tuple[Status, int, str]]:
        return [(job.status, job.attempt, job.failure.code if job.failure else "") for job in self.jobs()]


EXPORTS, OLD = st.integers(0, SOME - 1), st.integers(0, 2)


class Lockstep(RuleBasedStateMachine):
    """Everything that can happen to exports, done in memory and in PostgreSQL; both must say the same."""

    engine: ClassVar[Engine]

    def __init__(self) -> None:
        super().__init__()
        self.sides = (Side(in_memory()), Side(in_postgresql(self.engine)))

    def both(self, act: Callable[[Side], Any]) -> None:
        memory, postgresql = (act(side) for side in self.sides)
        assert memory == postgresql

    def with_claim(self, which: int, back: int, act: Callable[[Side, Claim], Any]) -> None:
        """With the latest claim on an export, or with one that a worker had before."""
        if len(self.sides[0].claims[which]) > back:
            self.both(lambda side: act(side, side.claims[which][-1 - back]))

    @rule(seconds=st.sampled_from([15, 30, 90_000]))
    def time_passes(self, seconds: int) -> None:
        self.both(lambda side: side.harness.pass_time(seconds))

    @rule(limit=st.integers(1, SOME))
    def a_sensor_takes(self, limit: int) -> None:
        self.both(lambda side: side.take(limit))

    @rule()
    def a_sensor_gives_back(self) -> None:
        self.both(lambda side: side.harness.store.unlease(side.launches))

    @rule(which=EXPORTS)
    def a_worker_claims(self, which: int) -> None:
        self.both(lambda side: side.claim(which))

    @rule(which=EXPORTS)
    def a_completed_export_is_made_again(self, which: int) -> None:
        self.both(lambda side: side.claim(which, remake=True))

    @rule(which=EXPORTS, back=OLD)
    def a_worker_publishes(self, which: int, back: int) -> None:
        self.with_claim(which, back, Side.publish)

    @rule()
    def the_reaper_comes(self) -> None:
        self.both(Side.reap)

    @rule(which=EXPORTS, back=OLD)
    def a_heart_beats(self, which: int, back: int) -> None:
        self.with_claim(which, back, lambda side, claim: side.harness.store.renew(claim, LEASE, {}))

    @rule(which=EXPORTS, back=OLD)
    def a_worker_completes(self, which: int, back: int) -> None:
        artifact = factories.artifact()
        self.with_claim(which, back, lambda side, claim: side.harness.store.complete(claim, artifact, DAY))

    @rule(which=EXPORTS, back=OLD, kind=st.sampled_from(sorted(FAILURES)))
    def an_attempt_fails(self, which: int, back: int, kind: str) -> None:
        self.with_claim(which, back, lambda side, claim: side.harness.store.fail_attempt(claim, FAILURES[kind], 3))

    @rule(number=OLD)
    def a_run_ends(self, number: int) -> None:
        self.both(lambda side: len(side.harness.store.fail_run(side.run(number), FAILURES["transient"], 3)))

    @rule(which=EXPORTS)
    def the_owner_cancels(self, which: int) -> None:
        self.both(lambda side: status_of(side.harness.store.cancel(side.owner.user_id, side.ids[which])))

    @rule(which=EXPORTS)
    def the_owner_discards(self, which: int) -> None:
        self.both(lambda side: status_of(side.harness.store.discard(side.owner.user_id, side.ids[which])))

    @rule()
    def the_sweeper_comes(self) -> None:
        self.both(lambda side: sum(job.id in side.ids for job in side.harness.store.expire(1000)))

    @invariant()
    def both_have_the_same_states(self) -> None:
        self.both(Side.states)

    @invariant()
    def what_ended_says_when_and_what_completed_has_a_file(self) -> None:
        for job in (job for side in self.sides for job in side.jobs()):
            assert (job.completed_at is None) == (job.status in LIVE)
            if job.status in (Status.COMPLETED, Status.EXPIRED):
                assert job.artifact is not None
                assert job.expires_at is not None


def status_of(job: ExportJob | None) -> Status | None:
    return job.status if job else None


def test_memory_and_postgresql_agree_on_every_life(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transitions, "JITTER", 0)
    bounded = settings(max_examples=30, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(type("Here", (Lockstep,), {"engine": engine}), settings=bounded)
    check_histories(engine)


def test_transitions_at_once_are_all_legal_and_each_file_is_published_once(engine: Engine) -> None:
    side = Side(in_postgresql(engine))

    def live(seed: int) -> Counter[bool]:
        random, store, done = Random(seed), side.harness.store, Counter[bool]()
        for _ in range(60):
            which = random.randrange(SOME)
            acts: list[Callable[[Claim], Any]] = [
                lambda claim: store.complete(claim, factories.artifact(), DAY),
                lambda claim: store.fail_attempt(claim, random.choice(list(FAILURES.values())), 99),
                lambda claim: store.renew(claim, LEASE, {}),
            ]
            if random.random() < 0.3:
                try:
                    side.ids[which] = store.create(side.owner, factories.request()).id
                except TooManyExports:
                    continue
            elif random.random() < 0.1:
                store.cancel(side.owner.user_id, side.ids[which])
            elif random.random() < 0.4:
                side.claim(which)
            elif side.claims[which]:
                done[bool(random.choice(acts)(random.choice(side.claims[which])))] += 1
        return done

    with ThreadPoolExecutor(8) as several:
        done = sum(several.map(live, range(8)), Counter[bool]())

    assert done[True] > 10
    check_histories(engine)


def check_histories(engine: Engine) -> None:
    """Every history in the audit table is one of the life cycle, without a gap."""
    statement = text("SELECT job_id, from_status, to_status FROM job_events ORDER BY job_id, id")
    lives: dict[Any, list[tuple[str | None, str]]] = {}
    with engine.connect() as connection:
        rows: Sequence[Any] = connection.execute(statement).all()
    for job_id, before, after in rows:
        lives.setdefault(job_id, []).append((before, after))

    assert lives
    for life in lives.values():
        assert set(life) <= LEGAL
        assert life[0][0] is None
        assert all(first[1] == second[0] for first, second in pairwise(life))
        assert sum(after == "completed" for _, after in life) <= 1
