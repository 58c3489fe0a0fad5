"""The end of an export: it expires, and its file, partition, idempotency key and history in Dagster are deleted.

What Dagster keeps of exports that never had a file, because they failed or were cancelled, is deleted by its age.
"""

import logging
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from analytics_exports.domain.errors import StorageFull, StorageUnavailable
from analytics_exports.domain.export import LIVE, ExportJob, JobId, Status
from analytics_exports.ports import ArtifactStore, MaintenanceJobs, Orchestrator

PAGE = 500
"""Exports expired at a time."""

KEY_RETENTION = timedelta(hours=24)
"""How long a request can be repeated under its Idempotency-Key, at least."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Retention:
    """Expires exports. The status changes first, so that no new download begins on a file that is being removed.

    Attributes:
        history: How long Dagster's partitions and runs of exports are kept; longer than any file.
    """

    jobs: MaintenanceJobs
    artifacts: ArtifactStore
    orchestrator: Orchestrator
    history: timedelta

    def expire(self) -> int:
        """Expire everything that is due. Returns how many files were removed.

        Raises:
            StorageUnavailable: the artifact store cannot be reached.
        """
        removed = 0
        while ids := [job.id for job in self.jobs.expire(PAGE) if self._remove(job)]:
            self.orchestrator.delete_history(ids)
            self.jobs.mark_files_removed(ids)
            removed += len(ids)
        self.jobs.delete_idempotency_keys(KEY_RETENTION)
        self.orchestrator.prune(self.history)
        return removed

    def _remove(self, job: ExportJob) -> bool:
        """Remove the file of an export. Returns whether it is gone; otherwise the next pass tries again."""
        if job.artifact is None:
            return True
        try:
            self.artifacts.remove(job.artifact.output_path)
        except StorageUnavailable:
            with suppress(StorageFull):
                self.artifacts.check()  # raises if the whole store is unavailable
            logger.warning("The file of export %s cannot be removed", job.id)
            return False
        return True

    def sweep(self) -> int:
        """Remove files that ended attempts left behind. Returns how many."""
        return self.artifacts.sweep(self._is_needed)

    def _is_needed(self, job_id: UUID, attempt: int | None) -> bool:
        """Whether a published file may still be downloaded, or an unpublished one may still be being written."""
        job = self.jobs.load(JobId(job_id))
        if job is None or job.status not in {*LIVE, Status.COMPLETED}:
            return False
        return attempt is None or attempt >= job.attempt
