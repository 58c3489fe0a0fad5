"""The statistics in memory, of the exports of a FakeJobStore."""

from collections.abc import Sequence
from datetime import datetime

from analytics_exports.domain.export import ExportJob, Status
from analytics_exports.ports.stats import FinishedExport, QueueSnapshot
from analytics_exports_tests.fakes.jobs import Change, FakeJobStore


class FakeStats:
    """Implements ``ports.Stats``."""

    def __init__(self, store: FakeJobStore) -> None:
        self._store = store

    def snapshot(self) -> QueueSnapshot:
        jobs = [row.job for row in self._store.rows.values()]
        pending = [job for job in jobs if job.status is Status.PENDING]
        done = [job for job in jobs if job.status is Status.COMPLETED]
        gone = [
            row.job for row in self._store.rows.values() if row.job.status is Status.EXPIRED and not row.file_removed
        ]
        return QueueSnapshot(
            pending=len(pending),
            pending_seconds=max((self._since(job.created_at) for job in pending), default=0.0),
            running=len([job for job in jobs if job.status is Status.RUNNING]),
            files=len(done),
            file_bytes=sum(job.artifact.file_size_bytes for job in done if job.artifact),
            skipped_events=self._store.count_skipped_events(),
            overdue_seconds=max([0.0, *(self._since(job.expires_at) for job in [*done, *gone])]),
        )

    def latest_position(self) -> int:
        return len(self._store.changes)

    def finished_after(self, after: int, limit: int) -> tuple[int, Sequence[FinishedExport]]:
        some = self._store.changes[after : after + limit]
        ends = [
            change for change in some if change.to is not Status.RUNNING and change.before in {"pending", "running"}
        ]
        return after + len(some), [self._ended(change, self._store.rows[change.job_id].job) for change in ends]

    def _ended(self, change: Change, job: ExportJob) -> FinishedExport:
        done = change.to is Status.COMPLETED
        started = job.started_at
        return FinishedExport(
            status=change.to.value,
            code=job.failure.code if job.failure and not done else "",
            seconds=(change.at - started).total_seconds() if started and change.before is Status.RUNNING else None,
            waited_seconds=(started - job.created_at).total_seconds() if started else None,
            rows=job.artifact.row_count if done and job.artifact else 0,
            bytes=job.artifact.file_size_bytes if done and job.artifact else 0,
        )

    def _since(self, moment: datetime | None) -> float:
        return (self._store.now - moment).total_seconds() if moment else 0.0
