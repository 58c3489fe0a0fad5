"""The end of an export: past its time it expires, and its file, its partition, its key and its history in Dagster go.

What Dagster keeps of exports that never had a file, because they failed or were cancelled, goes by its age.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from analytics_exports.domain.errors import StorageFull, StorageUnavailable
from analytics_exports.domain.export import LIVE, ExportJob, JobId, Status
from analytics_exports.ports import ArtifactStore, JobStore, Orchestrator

PAGE = 500
"""Exports expired at a time."""

KEYS_KEPT = timedelta(hours=24)
"""How long a request can be repeated under its Idempotency-Key, at least."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retention:
    """Removes what is past its time. The status changes first, so no new download begins on a file that goes.

    Attributes:
        history: How long Dagster's partitions and runs of exports are kept; longer than any file.
    """

    jobs: JobStore
    artifacts: ArtifactStore
    orchestrator: Orchestrator
    history: timedelta

    def expire(self) -> int:
        """Expire everything that is due; returns how many files were removed.

        Raises:
            StorageUnavailable: the place where files are kept cannot be reached.
        """
        removed = 0
        while ids := [job.id for job in self.jobs.expire(PAGE) if self._remove(job)]:
            self.orchestrator.forget(ids)
            self.jobs.file_removed(ids)
            removed += len(ids)
        self.jobs.forget_keys(KEYS_KEPT)
        self.orchestrator.prune(self.history)
        return removed

    def _remove(self, job: ExportJob) -> bool:
        """Remove the file of an export; whether it is gone. One that stays is tried again by the next pass."""
        if job.artifact is None:
            return True
        try:
            self.artifacts.remove(job.artifact.output_path)
        except StorageUnavailable:
            with suppress(StorageFull):
                self.artifacts.check()  # raises when it is not only this file
            logger.warning("The file of export %s cannot be removed", job.id)
            return False
        return True

    def sweep(self) -> int:
        """Remove files that attempts left behind which are over; returns how many."""
        return self.artifacts.sweep(self._needed)

    def _needed(self, job_id: UUID, attempt: int | None) -> bool:
        """Whether a file may still be downloaded, or one that is not published may still be being written."""
        job = self.jobs.load(JobId(job_id))
        if job is None or job.status not in {*LIVE, Status.COMPLETED}:
            return False
        return attempt is None or attempt >= job.attempt
