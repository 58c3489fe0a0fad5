"""The expiry of exports, after which nothing of them may be left in files, tables or Dagster."""

import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from uuid import UUID

import httpx
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from analytics_exports.artifacts.local import MARKER
from analytics_exports.stack.stack import Stack
from analytics_exports_tests.chaos.clients import Ask

LAUNCH = """
mutation($job: String!) {
  launchRun(executionParams: {
    mode: "default"
    selector: {repositoryLocationName: "analytics_exports", repositoryName: "__repository__", jobName: $job}
  }) { ... on LaunchRunSuccess { run { runId } } }
}
"""
TIDY = ("expire_exports", "sweep_files")
"""The jobs whose schedules would do this later."""

EXPIRE = text("UPDATE jobs SET expires_at = now() WHERE id = :id AND status = 'completed'")
ENDED = text("SELECT status FROM dagster.runs WHERE run_id = :run AND status IN ('SUCCESS', 'FAILURE', 'CANCELED')")
STATUSES = text("SELECT id::text, status FROM jobs WHERE id = ANY(:ids)")
PARTITIONS = text("SELECT partition FROM dagster.dynamic_partitions WHERE partition = ANY(:ids)")


class Ending:
    """Lets exports expire."""

    def __init__(self, stack: Stack, engine: Engine, wait: Callable[[float], None]) -> None:
        self._stack, self._engine, self._wait = stack, engine, wait

    def expire(self, job_id: str) -> bool:
        """The time of one completed export is over from now on; whether that could be said."""
        try:
            with self._engine.begin() as connection:
                return connection.execute(EXPIRE, {"id": job_id}).rowcount == 1
        except OperationalError:
            return False

    def left_by_cancelled(self, asks: Sequence[Ask], lock_timeout: float) -> Iterator[str]:
        """What workers have not cleared away of cancelled exports; before anything is swept, so that they must have."""
        ids = [ask.job_id for ask in asks if ask.ended == "cancelled"]
        files = self._left(lock_timeout, lambda name: any(job_id in name for job_id in ids))
        yield from (f"corrupt: {name} is left of a cancelled export" for name in files)

    def expire_all(self, asks: Sequence[Ask], lock_timeout: float) -> Iterator[str]:
        """Let everything expire and Dagster clear it away; yields what is wrong then."""
        for ask in asks:
            ask.removed = True
            self.expire(ask.job_id)
        for job in TIDY:
            yield from self._run(job, lock_timeout)
        ids = [ask.job_id for ask in asks]
        with self._engine.connect() as connection:
            statuses = connection.execute(STATUSES, {"ids": [UUID(one) for one in ids]}).all()
            partitions: Sequence[str] = connection.execute(PARTITIONS, {"ids": ids}).scalars().all()
        for job_id, status in statuses:
            if status == "completed":
                yield f"left: {job_id} has not expired"
            elif status == "expired" and job_id in partitions:
                yield f"left: {job_id} has expired and is still a partition"
        yield from (f"left: {name}" for name in self._left(lock_timeout, lambda name: name != MARKER))

    def _left(self, lock_timeout: float, which: Callable[[str], bool]) -> list[str]:
        """The names of files that are still there when workers have had time to clear away what was cancelled."""
        root, deadline = Path(self._stack.settings.artifact_root), time.monotonic() + lock_timeout
        while True:
            left = [file.name for file in root.rglob("*") if file.is_file() and which(file.name)]
            if not left or time.monotonic() > deadline:
                return left
            self._wait(0.2)

    def _run(self, job: str, lock_timeout: float) -> Iterator[str]:
        """Have Dagster run a job, by the web page's own request; again when a process was not yet back."""
        deadline = time.monotonic() + lock_timeout
        while time.monotonic() < deadline:
            if self._ended(self._launched(job), deadline) == "SUCCESS":
                return
            self._wait(1)
        yield f"left: {job} did not succeed within {lock_timeout} seconds"

    def _launched(self, job: str) -> str | None:
        body = {"query": LAUNCH, "variables": {"job": job}}
        try:
            answer = httpx.post(f"{self._stack.dagster_ui_url}/graphql", json=body, timeout=30).json()
            return str(answer["data"]["launchRun"]["run"]["runId"])
        except (httpx.HTTPError, KeyError, TypeError, ValueError):
            return None

    def _ended(self, run: str | None, deadline: float) -> str | None:
        while run and time.monotonic() < deadline:
            with self._engine.connect() as connection:
                if status := connection.execute(ENDED, {"run": run}).scalar():
                    return str(status)
            self._wait(0.2)
        return None
