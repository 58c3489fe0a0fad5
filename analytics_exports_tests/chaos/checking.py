"""Checks after the faults of a round: every acknowledged export, its file, and its history."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import duckdb
from sqlalchemy import Engine, text

from analytics_exports_tests.chaos.clients import ENDED, Ask
from analytics_exports_tests.chaos.truth import Truth, rows_of_file

KINDS = ("lost", "duplicated", "leaked", "mixed", "corrupt", "illegal", "answered", "left")
"""Each of these is a defect, whatever the faults were."""

DEATHS = ("kill_run_pool", "kill_worker", "freeze_worker")
DATABASE = ("restart_postgres", "kill_postgres", "freeze_postgres")
CONSEQUENCES = {
    **{fault: {"worker_lost"} for fault in DEATHS},
    **{fault: {"worker_lost", "database_unavailable"} for fault in DATABASE},
    "overwrite_warehouse": {"warehouse_busy", "warehouse_changed", "warehouse_unavailable"},
    "disk_full": {"storage_full", "storage_unavailable"},
}
"""By fault: how exports may fail for good because of it. Any other failure is a defect, too."""

LEGAL: set[tuple[str | None, str]] = {
    (None, "pending"),
    *(("pending", after) for after in ("running", "cancelled", "failed")),
    *(("running", after) for after in ("pending", "completed", "failed", "cancelled")),
    ("completed", "expired"),
}

JOBS = text("SELECT id::text, status, error_code, metadata FROM jobs WHERE id::text = ANY(:ids)")
EVENTS = text("SELECT job_id::text, from_status, to_status FROM job_events WHERE job_id::text = ANY(:ids) ORDER BY id")
ALL = text("SELECT id::text FROM jobs")


class Checker:
    """Compares asks with the database, the files and the warehouse; ``wrong`` says what is not as it must be."""

    def __init__(self, engine: Engine, artifacts: Path, truth: Truth) -> None:
        self._engine, self._artifacts, self._truth = engine, artifacts, truth
        self._reader = duckdb.connect()
        self.wrong: list[str] = []
        self.ended: Counter[str] = Counter()
        self.files = 0
        self._excused: set[str] = set()

    def check(self, asks: Sequence[Ask], faults: Iterable[str]) -> None:
        """Everything about these asks, all of which should have ended; ``faults`` are those that they met."""
        self._excused = {code for fault in faults for code in CONSEQUENCES.get(fault, ())}
        ids = [ask.job_id for ask in asks]
        with self._engine.connect() as connection:
            rows = {row[0]: row for row in connection.execute(JOBS, {"ids": ids})}
            events = connection.execute(EVENTS, {"ids": ids}).all()
        for ask in asks:
            row = rows.get(ask.job_id)
            if row is None or row[1] not in ENDED:
                self.wrong.append(f"lost: {ask.job_id} is {row[1] if row else 'not there'}")
            else:
                self._outcome(ask, *row[1:])
        self._histories(events)

    def nothing_else(self, asks: Sequence[Ask]) -> None:
        """There are no exports but those that were acknowledged."""
        with self._engine.connect() as connection:
            stored: Sequence[str] = connection.execute(ALL).scalars().all()
        requested = {ask.job_id for ask in asks}
        self.wrong += [f"duplicated: nobody requested {job_id}" for job_id in stored if job_id not in requested]

    def _outcome(self, ask: Ask, status: str, code: str | None, details: dict[str, Any]) -> None:
        self.ended[f"failed: {code}" if status == "failed" else status] += 1
        if status == "failed" and code not in self._excused:
            self.wrong.append(f"lost: {ask.job_id} failed with {code}")
        if status == "completed":
            self._file(ask, details)
        if status in {"cancelled", "expired"} and not ask.removed:
            self.wrong.append(f"lost: {ask.job_id} is {status}, which nobody asked for")

    def _file(self, ask: Ask, details: dict[str, Any]) -> None:
        path = self._artifacts / details["output_path"]
        if not path.is_file():
            if not ask.removed:
                self.wrong.append(f"lost: {ask.job_id} is completed and has no file")
            return
        if hashlib.sha256(path.read_bytes()).hexdigest() != details["sha256"]:
            self.wrong.append(f"corrupt: {ask.job_id} has another file than it says")
            return
        self.files += 1
        rows = rows_of_file(self._reader, path)
        versions = (version.expected(ask.owner, ask.start, ask.end) for version in self._truth.versions)
        if (rows["user_id"] != str(ask.owner)).any():
            self.wrong.append(f"leaked: {ask.job_id} holds rows of somebody else")
        elif not any(rows.equals(version) for version in versions):
            self.wrong.append(f"mixed: {ask.job_id} is of no version of the warehouse")
        elif len(rows) != details["row_count"]:
            self.wrong.append(f"corrupt: {ask.job_id} does not count its rows rightly")

    def _histories(self, events: Sequence[Any]) -> None:
        by_job: dict[str, list[tuple[str | None, str]]] = {}
        for job_id, before, after in events:
            by_job.setdefault(job_id, []).append((before, after))
        for job_id, history in by_job.items():
            if any(first[1] != second[0] for first, second in pairwise(history)) or not LEGAL.issuperset(history):
                self.wrong.append(f"illegal: the history of {job_id} is not one of the life cycle")
            if sum(after == "completed" for _, after in history) > 1:
                self.wrong.append(f"duplicated: {job_id} was completed twice")
