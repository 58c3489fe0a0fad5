"""A whole run: rounds of faults under load, and a check after each."""

import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import httpx
from sqlalchemy import Engine

from analytics_exports.contract import BASE_PATH
from analytics_exports.database.engine import make_engine
from analytics_exports.development.demo import DemoUser, running_demo
from analytics_exports.stack.stack import Stack
from analytics_exports_tests.chaos.checking import KINDS, Checker
from analytics_exports_tests.chaos.clients import Ask, Client, Seen
from analytics_exports_tests.chaos.ending import Ending
from analytics_exports_tests.chaos.faults import Nemesis, small_disk
from analytics_exports_tests.chaos.truth import TABLE, Truth
from analytics_exports_tests.demo_warehouse import place_demo
from analytics_exports_tests.journeys.conftest import settings_of
from analytics_exports_tests.scratch import scratch_folder
from analytics_exports_tests.waiting import TIME_FACTOR

SETTINGS = {"lease_seconds": 6, "launch_seconds": 10, "disk_reserve_bytes": 2**20, "max_attempts": 5}
"""Leases short enough for a worker to lose its export within a round."""

CLIENTS = 4
CALM_SECONDS = 120.0 * TIME_FACTOR


class Run:
    """Clients, faults and checks on one stack."""

    def __init__(self, stack: Stack, users: list[DemoUser], engine: Engine, seed: int) -> None:
        self._stack, self._users, self._random = stack, users, Random(seed)
        self._truth = Truth(stack.settings.warehouse, stack.state, [user.id for user in users])
        self._nemesis = Nemesis(stack, self._truth, self._random, self._watch)
        self._dataset = self._find_dataset()
        self.rounds = 0
        self.faults: Counter[str] = Counter()
        self.seen = Seen()
        self.checker = Checker(engine, Path(stack.settings.artifact_root), self._truth)
        self._ending = Ending(stack, engine, self._nemesis.wait)
        self._left_out: list[str] = []

    def leave_out(self, fault: str) -> None:
        """Do without a fault that is impossible here; the report says so."""
        del self._nemesis.faults[fault]
        self._left_out.append(fault)

    def round(self, faults: int, seconds_between: float) -> None:
        """Some faults under load, then calm, then the check of what was asked for in this round."""
        begin = len(self.seen.asks)
        clients = [
            Client(
                self._stack.api_url,
                self._users[number % len(self._users)],
                self._dataset,
                self._new_random(),
                self.seen,
                expire=self._ending.expire,
            )
            for number in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        struck = []
        for _ in range(faults):
            self._nemesis.wait(seconds_between)
            struck.append(self._nemesis.strike())
        self.rounds += 1
        self.faults.update(struck)
        for client in clients:
            client.stop()
        deadline = time.monotonic() + CALM_SECONDS
        while any(client.is_alive() for client in clients) and time.monotonic() < deadline:
            self._nemesis.wait(0.2)
        if any(client.is_alive() for client in clients):
            self.seen.wrong.append(f"lost: a client still waits {CALM_SECONDS} seconds after the last fault")
        asks = self.seen.asks[begin:]
        self.checker.check(asks, struck)
        self.checker.wrong += self._ending.left_by_cancelled(list(self._with_living_workers(asks)), CALM_SECONDS)
        self.checker.wrong += self._ending.expire_all(asks, CALM_SECONDS)

    def report(self, seed: int) -> dict[str, Any]:
        """Everything that was counted. The run was good when ``wrong`` is empty."""
        self.checker.nothing_else(self.seen.asks)
        wrong = [*self.seen.wrong, *self.checker.wrong]
        return {
            "rounds": self.rounds,
            "faults": dict(sorted(self.faults.items())),
            "faults_left_out": self._left_out,
            "acknowledged": len(self.seen.asks),
            "completed": self.checker.ended["completed"],
            **{kind: sum(text.startswith(f"{kind}:") for text in wrong) for kind in KINDS},
            "seed": seed,
            "ended": dict(sorted(self.checker.ended.items())),
            "files_recomputed": self.checker.files,
            "clients_saw": dict(sorted(self.seen.counts.items())),
            "wrong": wrong,
        }

    def _with_living_workers(self, asks: Sequence[Ask]) -> Iterator[Ask]:
        """Those whose worker cannot have been killed: a dead one clears nothing away."""
        return (ask for ask in asks if ask.at > self._nemesis.workers_killed_at)

    def _watch(self) -> None:
        self._stack.supervisor._restarts.clear()  # it gives up on what keeps dying, and here everything does
        self._stack.supervisor.check()

    def _new_random(self) -> Random:
        return Random(self._random.random())

    def _find_dataset(self) -> str:
        headers = {"Authorization": f"Bearer {self._users[0].token}"}
        listed = httpx.get(f"{self._stack.api_url}{BASE_PATH}/datasets", headers=headers).json()["datasets"]
        return next(str(item["id"]) for item in listed if item["dataset_name"] == TABLE)


@contextmanager
def chaos(seed: int) -> Iterator[Run]:
    """A stack of its own to be broken."""
    with scratch_folder() as state:
        settings = settings_of(state).model_copy(update=SETTINGS)
        place_demo(state / "demo")
        with (
            small_disk(Path(settings.artifact_root)) as small,
            running_demo(settings, _say) as (stack, users),
        ):
            engine = make_engine(stack.database_url)
            run = Run(stack, users, engine, seed)
            if not small:
                run.leave_out("disk_full")
            try:
                yield run
            finally:
                engine.dispose()


def main(seed: int, rounds: int, faults: int) -> int:
    """So many rounds; prints the report as one JSON object and returns the exit code."""
    with chaos(seed) as run:
        for number in range(rounds):
            run.round(faults, seconds_between=1)
            _say(f"round {number + 1}: {len(run.seen.asks)} exports, {run.faults.total()} faults")
        report = run.report(seed)
    for text in report.pop("wrong"):
        _say(text)
    sys.stdout.write(json.dumps(report) + "\n")
    return 1 if any(report[kind] for kind in KINDS) else 0


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
