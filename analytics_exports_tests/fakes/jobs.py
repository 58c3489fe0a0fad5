"""The JobStore in memory, on a clock that the test moves."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import cast
from uuid import uuid4

from analytics_exports.domain.access import Principal, UserId
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.errors import ClaimLost, IdempotencyKeyReused, TooManyExports
from analytics_exports.domain.export import (
    LIVE,
    NEXT,
    TRANSIENT_RETRY_PERIOD,
    Claim,
    ExportFilter,
    ExportJob,
    ExportRequest,
    Failure,
    IdempotencyKey,
    JobId,
    Launch,
    Progress,
    Status,
)
from analytics_exports_tests.factories import NOW

FIRST_RETRY, LONGEST_RETRY = timedelta(seconds=2), timedelta(seconds=30)


@dataclass
class Row:
    """What the table holds beside the job."""

    job: ExportJob
    launch_after: datetime
    turn: int = 0
    launches: int = 0
    losses: int = 0
    failing_since: datetime | None = None
    token: str | None = None
    lease_until: datetime | None = None
    file_removed: bool = False
    idempotency_key: IdempotencyKey | None = None
    progress: dict[str, object] = field(default_factory=dict)

    @property
    def place(self) -> tuple[int, datetime]:
        """In the queue."""
        return self.turn, self.job.created_at


@dataclass(frozen=True)
class Change:
    """One change of a status."""

    job_id: JobId
    before: Status
    to: Status
    at: datetime


class FakeJobStore:
    """Implements ``ports.JobStore``. ``now`` is its clock."""

    def __init__(self) -> None:
        self.now = NOW
        self.rows: dict[JobId, Row] = {}
        self.changes: list[Change] = []
        self.downloads: list[tuple[JobId, int, int, bool]] = []
        self.skips: dict[int, datetime] = {}
        self._cursors: dict[str, int] = {}
        self._numbers = count()

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def create(
        self,
        principal: Principal,
        request: ExportRequest,
        *,
        idempotency_key: IdempotencyKey | None = None,
        max_unfinished: int | None = None,
        retry_of: JobId | None = None,
        request_id: str | None = None,
    ) -> ExportJob:
        mine = [row.job for row in self.rows.values() if row.job.user_id == principal.user_id]
        if max_unfinished is not None and len([job for job in mine if job.status in LIVE]) >= max_unfinished:
            raise TooManyExports
        if idempotency_key and (earlier := self.find_by_key(principal.user_id, idempotency_key)):
            return earlier
        job = ExportJob(
            id=JobId(uuid4()),
            user_id=principal.user_id,
            owner_key=principal.owner_key,
            status=Status.PENDING,
            request=request,
            attempt=0,
            run_id=None,
            artifact=None,
            failure=None,
            created_at=self.now + timedelta(microseconds=next(self._numbers)),
            started_at=None,
            completed_at=None,
            expires_at=None,
            retry_of=retry_of,
            request_id=request_id,
        )
        self.rows[job.id] = Row(job, self.now, turn=self._next_turn(job.user_id), idempotency_key=idempotency_key)
        return job

    def find_by_key(self, user_id: UserId, idempotency_key: IdempotencyKey) -> ExportJob | None:
        for row in self.rows.values():
            if (
                row.job.user_id == user_id
                and row.idempotency_key
                and row.idempotency_key.key_digest == idempotency_key.key_digest
            ):
                if row.idempotency_key != idempotency_key:
                    raise IdempotencyKeyReused
                return self.find(user_id, row.job.id)
        return None

    def load(self, job_id: JobId) -> ExportJob | None:
        row = self.rows.get(job_id)
        return row.job if row else None

    def find(self, user_id: UserId, job_id: JobId) -> ExportJob | None:
        job = self.load(job_id)
        if job is None or job.user_id != user_id:
            return None
        if job.status is Status.RUNNING and (reported := self.rows[job_id].progress):
            job = replace(job, progress=Progress(**cast("dict[str, int]", reported)))
        past = job.status is Status.COMPLETED and job.expires_at is not None and job.expires_at <= self.now
        lease = self.rows[job_id].lease_until
        replacing = job.status is Status.COMPLETED and lease is not None and lease > self.now
        return replace(job, status=Status.EXPIRED) if past else replace(job, replacing=replacing)

    def list_for_user(
        self, user_id: UserId, which: ExportFilter, limit: int, after: tuple[datetime, JobId] | None = None
    ) -> Sequence[ExportJob]:
        mine = [job for job_id in self.rows if (job := self.find(user_id, job_id)) and _matches(job, which)]
        mine.sort(key=lambda job: (job.created_at, job.id), reverse=True)
        return [job for job in mine if after is None or (job.created_at, job.id) < after][:limit]

    def queue_position(self, job_id: JobId) -> int:
        place = self.rows[job_id].place
        return len([row for row in self._pending() if row.place < place]) + 1

    def started_since(self, age: timedelta) -> bool:
        running = [row.job for row in self.rows.values() if row.job.status is Status.RUNNING]
        return any(job.started_at and job.started_at > self.now - age for job in running)

    def lease_pending(self, limit: int, ttl: timedelta) -> Sequence[Launch]:
        waiting = [row for row in self._pending() if row.launch_after <= self.now]
        chosen = sorted(waiting, key=lambda row: row.place)[:limit]
        for row in chosen:
            row.launches = max(row.launches, row.job.attempt) + 1
            row.launch_after = self.now + ttl
        return [Launch(row.job.id, row.launches, row.job.request_id) for row in chosen]

    def time_to_next_launch(self) -> timedelta | None:
        return min((row.launch_after - self.now for row in self._pending()), default=None)

    def unlease(self, launches: Collection[Launch]) -> None:
        for launch in launches:
            row = self.rows[launch.job_id]
            if row.job.status is Status.PENDING and row.launches == launch.number:
                row.launch_after = self.now

    def claim(self, job_id: JobId, run_id: str, lease: timedelta, *, remake: bool = False) -> tuple[ExportJob, Claim]:
        row = self.rows.get(job_id)
        if row is None or not (row.job.status is Status.PENDING or (remake and self._can_be_made_again(row))):
            raise ClaimLost
        attempt = row.job.attempt + 1
        if row.job.status is Status.PENDING:
            self._move(row, Status.RUNNING)
        started = row.job.started_at or self.now
        row.job = replace(row.job, attempt=attempt, run_id=run_id, started_at=started, failure=None)
        row.token, row.lease_until = uuid4().hex, self.now + lease
        return row.job, Claim(job_id, attempt, row.token)

    def renew(self, claim: Claim, lease: timedelta, progress: Mapping[str, object]) -> bool:
        row = self._held(claim)
        if row is None:
            return False
        row.lease_until, row.progress = self.now + lease, dict(progress)
        return True

    @contextmanager
    def publishing(self, claim: Claim, replacement: Artifact | None = None) -> Iterator[None]:
        row = self._held(claim)
        if row is None or row.lease_until is None or row.lease_until <= self.now:
            raise ClaimLost
        row.job = replace(row.job, replacement=replacement)
        yield
        if replacement is not None:
            row.job = replace(row.job, artifact=replacement, replacement=None)

    def complete(self, claim: Claim, artifact: Artifact, retention: timedelta) -> bool:
        row = self._held(claim)
        if row is None:
            return False
        if row.job.status is Status.RUNNING:
            self._move(row, Status.COMPLETED)
        expires = row.job.expires_at or self.now + retention
        completed_at = row.job.completed_at or self.now
        row.job = replace(row.job, artifact=artifact, replacement=None, completed_at=completed_at, expires_at=expires)
        row.lease_until, row.progress = None, {}
        return True

    def complete_all(self, published: Mapping[Claim, Artifact], retention: timedelta) -> Collection[JobId]:
        return [claim.job_id for claim, facts in published.items() if self.complete(claim, facts, retention)]

    def fail_attempt(self, claim: Claim, failure: Failure, max_attempts: int) -> bool:
        row = self._held(claim)
        if row is None:
            return False
        if row.job.status is Status.COMPLETED:
            row.lease_until = None
            row.job = replace(row.job, replacement=None)
        else:
            self._end(row, failure, max_attempts)
        return True

    def fail_run(self, run_id: str, failure: Failure, max_attempts: int) -> Collection[JobId]:
        held = [row for row in self.rows.values() if row.job.run_id == run_id and row.job.status is Status.RUNNING]
        for row in held:
            self._end(row, failure, max_attempts)
        return [row.job.id for row in held]

    def expired_leases(self, limit: int) -> Sequence[Claim]:
        over = [row for row in self.rows.values() if row.job.status is Status.RUNNING and self._lease_over(row)]
        return [Claim(row.job.id, row.job.attempt, row.token or "") for row in over[:limit]]

    def cancel(self, user_id: UserId, job_id: JobId) -> ExportJob | None:
        row = self.rows.get(job_id)
        if row is None or row.job.user_id != user_id:
            return None
        if row.job.status in LIVE:
            self._move(row, Status.CANCELLED)
            row.job, row.lease_until = replace(row.job, completed_at=self.now), None
        return row.job

    def discard(self, user_id: UserId, job_id: JobId) -> ExportJob | None:
        row = self.rows.get(job_id)
        if row is None or row.job.user_id != user_id:
            return None
        if row.job.status is Status.COMPLETED:
            self._move(row, Status.EXPIRED)
            row.job = replace(row.job, expires_at=min(row.job.expires_at or self.now, self.now))
        return row.job

    def record_download(self, job_id: JobId, first_byte: int, byte_count: int, *, by_link: bool) -> None:
        self.downloads.append((job_id, first_byte, byte_count, by_link))

    def expire(self, limit: int) -> Sequence[ExportJob]:
        done = [row for row in self.rows.values() if row.job.status is Status.COMPLETED]
        for row in [row for row in done if row.job.expires_at and row.job.expires_at <= self.now][:limit]:
            self._move(row, Status.EXPIRED)
        left = [row.job for row in self.rows.values() if row.job.status is Status.EXPIRED and not row.file_removed]
        return left[:limit]

    def delete_idempotency_keys(self, age: timedelta) -> int:
        old = [row for row in self.rows.values() if row.idempotency_key and row.job.created_at < self.now - age]
        for row in old:
            row.idempotency_key = None
        return len(old)

    def mark_files_removed(self, job_ids: Collection[JobId]) -> None:
        for job_id in job_ids:
            self.rows[job_id].file_removed = True

    def read_cursor(self, name: str) -> int:
        return self._cursors.get(name, 0)

    def advance_cursor(self, name: str, position: int) -> None:
        self._cursors[name] = max(position, self.read_cursor(name))

    def skip_event(self, position: int, reason: str) -> None:
        self.skips[position] = self.now + timedelta(seconds=2 if position in self.skips else 1)

    def skipped_events(self, limit: int) -> Sequence[int]:
        due = [position for position, again in self.skips.items() if again <= self.now]
        return sorted(due, key=lambda position: self.skips[position])[:limit]

    def count_skipped_events(self) -> int:
        return len(self.skips)

    def unskip_event(self, position: int) -> None:
        del self.skips[position]

    def _pending(self) -> list[Row]:
        return [row for row in self.rows.values() if row.job.status is Status.PENDING]

    def _next_turn(self, user_id: UserId) -> int:
        begun = [row for row in self.rows.values() if row.job.started_at]
        waiting = [row.turn for row in self._pending() if row.job.attempt == 0]
        own = [row.turn + 1 for row in [*begun, *self._pending()] if row.job.user_id == user_id]
        now = min(waiting) if waiting else max([0, *(row.turn for row in begun)])
        return max([now, *own])

    def _held(self, claim: Claim) -> Row | None:
        row = self.rows.get(claim.job_id)
        current = (
            row is not None
            and (row.job.attempt, row.token) == (claim.attempt, claim.token)
            and row.job.status in (Status.RUNNING, Status.COMPLETED)
            and row.lease_until is not None
        )
        return row if current else None

    def _can_be_made_again(self, row: Row) -> bool:
        live = row.job.expires_at is not None and row.job.expires_at > self.now
        return row.job.status is Status.COMPLETED and live and self._lease_over(row)

    def _lease_over(self, row: Row) -> bool:
        return row.lease_until is None or row.lease_until < self.now

    def _end(self, row: Row, failure: Failure, max_attempts: int) -> None:
        row.failing_since = row.failing_since or self.now
        if failure.transient:
            left = row.job.attempt < max_attempts or self.now < row.failing_since + TRANSIENT_RETRY_PERIOD
        else:
            row.losses += 1
            left = row.losses < max_attempts
        again = failure.retryable and left
        self._move(row, Status.PENDING if again else Status.FAILED)
        row.job = replace(row.job, failure=failure, completed_at=None if again else self.now)
        doubled = FIRST_RETRY * 2 ** min(max(row.job.attempt - 1, 0), 10)
        row.launch_after = self.now + min(doubled, LONGEST_RETRY)
        row.lease_until = None

    def _move(self, row: Row, status: Status) -> None:
        assert status in NEXT[row.job.status], f"no job goes from {row.job.status} to {status}"
        self.changes.append(Change(row.job.id, row.job.status, status, self.now))
        row.job = replace(row.job, status=status)


def _matches(job: ExportJob, which: ExportFilter) -> bool:
    return (
        (not which.statuses or job.status in which.statuses)
        and (not which.formats or job.request.format in which.formats)
        and which.dataset_id in (None, job.request.dataset_id)
        and (which.created_after is None or job.created_at > which.created_after)
        and (which.created_before is None or job.created_at < which.created_before)
    )
