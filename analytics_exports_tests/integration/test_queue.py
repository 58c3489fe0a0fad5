"""The queue of pending exports: users take turns, and a lease does not read all that is pending."""

import json
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from analytics_exports.database.queue import LEASE_PENDING
from analytics_exports.domain.access import UserId
from analytics_exports.domain.errors import ClaimLost, WarehouseBusy
from analytics_exports.domain.export import Claim, Failure, JobId, Launch, Status
from analytics_exports_tests import factories
from analytics_exports_tests.ports.test_jobs import JobStoreHarness, in_memory, in_postgresql

LEASE, LAUNCH_TTL, DAY = timedelta(seconds=20), timedelta(seconds=60), timedelta(hours=24)
BUSY = Failure.of(WarehouseBusy)
USERS = 4

T = TypeVar("T")
Act = tuple[str, int, int]

acts: st.SearchStrategy[list[Act]] = st.lists(
    st.tuples(
        st.sampled_from(["ask", "ask", "take", "take", "begin", "complete", "fail", "give back", "cancel"]),
        st.integers(0, USERS - 1),
        st.integers(1, 6),
    ),
    max_size=30,
)


class Play:
    """Some users who ask, and sensors and workers that take, begin and end what they asked for."""

    def __init__(self, harness: JobStoreHarness) -> None:
        self.harness = harness
        self.users = [harness.make_user() for _ in range(USERS)]
        self.owners: dict[JobId, UserId] = {}
        self.taken: list[Launch] = []
        self.claims: list[Claim] = []

    def ask(self, user: int, number: int) -> None:
        for _ in range(number):
            self.owners[self.harness.pending(self.users[user])] = self.users[user].user_id

    def take(self, number: int) -> Sequence[Launch]:
        found = self.harness.store.lease_pending(number, LAUNCH_TTL)
        self.taken += found
        return found

    def begin(self, number: int) -> None:
        for launch in self.pop(self.taken, number):
            try:
                self.claims.append(self.harness.store.claim(launch.job_id, "run", LEASE)[1])
            except ClaimLost:
                assert self.harness.status(launch.job_id) is not Status.PENDING

    def act(self, act: Act) -> Sequence[Launch]:
        """Do one thing; returns what it leased."""
        what, user, number = act
        store = self.harness.store
        if what == "take":
            return self.take(number)
        if what == "ask":
            self.ask(user, number)
        elif what == "begin":
            self.begin(number)
        elif what == "give back":
            store.unlease(self.pop(self.taken, number))
        elif what == "cancel":
            for job_id in [job_id for job_id, owner in self.owners.items() if owner == self.users[user].user_id][
                :number
            ]:
                store.cancel(self.users[user].user_id, job_id)
        for claim in self.pop(self.claims, number if what in {"complete", "fail"} else 0):
            if what == "complete":
                store.complete(claim, factories.artifact(), DAY)
            else:
                store.fail_attempt(claim, BUSY, 3)
        return ()

    def never_begun(self) -> dict[JobId, UserId]:
        jobs = [self.harness.store.load(job_id) for job_id in self.owners]
        return {job.id: job.user_id for job in jobs if job and job.status is Status.PENDING and job.attempt == 0}

    def end(self) -> None:
        for job_id, owner in self.owners.items():
            self.harness.store.cancel(owner, job_id)

    def pop(self, items: list[T], number: int) -> list[T]:
        """Remove the first few."""
        first, items[:] = items[:number], items[number:]
        return first


@pytest.mark.parametrize("kind", ["memory", "postgresql"])
@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(before=acts, after=acts)
def test_a_newcomer_is_launched_before_anybodys_third_that_had_not_begun(
    kind: str, engine: Engine, before: list[Act], after: list[Act]
) -> None:
    play = Play(in_memory() if kind == "memory" else in_postgresql(engine))
    for act in before:
        play.act(act)
    newcomer = play.harness.make_user()
    waiting = play.never_begun()
    first = play.harness.pending(newcomer)
    play.owners[first] = newcomer.user_id

    launched: list[JobId] = []
    for act in [*after, *[("take", 0, 7)] * 100]:
        launched += [launch.job_id for launch in play.act(act)]
        if first in launched:
            break
    play.end()

    assert first in launched
    ahead = launched[: launched.index(first)]
    assert max(Counter(waiting[job_id] for job_id in set(ahead) if job_id in waiting).values(), default=0) <= 2


@pytest.mark.parametrize("kind", ["memory", "postgresql"])
def test_users_with_many_exports_get_as_many_each_and_a_new_one_is_next(kind: str, engine: Engine) -> None:
    play = Play(in_memory() if kind == "memory" else in_postgresql(engine))
    for user in range(USERS):
        play.ask(user, 20)
    play.begin(len(play.take(USERS * 5)))
    newcomer = play.harness.make_user()
    first = play.harness.pending(newcomer)

    assert [play.owners[claim.job_id] for claim in play.claims] == [user.user_id for user in play.users] * 5
    assert first in [launch.job_id for launch in play.take(USERS + 1)]


@pytest.mark.parametrize("kind", ["memory", "postgresql"])
def test_who_asks_one_by_one_takes_turns_with_whoever_asked_for_many_at_once(kind: str, engine: Engine) -> None:
    play = Play(in_memory() if kind == "memory" else in_postgresql(engine))
    play.ask(0, 20)
    launched = []
    for _ in range(10):
        play.ask(1, 1)
        launched += [play.owners[launch.job_id] for launch in play.take(2)]
        play.begin(2)

    assert Counter(launched) == {user.user_id: 10 for user in play.users[:2]}


def test_a_take_reads_no_more_of_the_queue_than_it_takes(engine: Engine) -> None:
    harness = in_postgresql(engine)
    job_id, owner = harness.pending(), harness.make_user()
    copied = "owner_key, entity_id, metadata"
    with engine.connect() as connection:
        connection.execute(text("ALTER TABLE jobs DISABLE TRIGGER tell"))
        connection.execute(
            text(
                f"INSERT INTO jobs (user_id, turn, {copied}) SELECT :user, number, {copied} "
                "FROM jobs, generate_series(1, 5000) AS number WHERE jobs.id = :id"
            ),
            {"user": owner.user_id, "id": job_id},
        )
        connection.execute(text("ANALYZE jobs"))
        explained: Any = connection.execute(
            text(f"EXPLAIN (ANALYZE, FORMAT JSON) {LEASE_PENDING.text}"), {"limit": 25, "hold": LAUNCH_TTL}
        ).scalar_one()
        connection.rollback()

    nodes = [explained[0]["Plan"]]
    for node in nodes:
        nodes += node.get("Plans", [])
    assert "ix_jobs_queue" in json.dumps(explained)
    assert max(node["Actual Rows"] * node["Actual Loops"] for node in nodes) <= 26
