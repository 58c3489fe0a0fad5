"""The end of an export: past its time it expires, and its file and its partition go."""

from dataclasses import dataclass

from analytics_exports.ports import ArtifactStore, JobStore, Orchestrator

PAGE = 500
"""Exports expired at a time."""


@dataclass(frozen=True, slots=True)
class Retention:
    """Removes what is past its time. The status changes first, so no new download begins on a file that goes."""

    jobs: JobStore
    artifacts: ArtifactStore
    orchestrator: Orchestrator

    def expire(self) -> int:
        """Expire everything that is due; returns how many files were removed."""
        removed = 0
        while jobs := self.jobs.expire(PAGE):
            for job in jobs:
                if job.artifact is not None:
                    self.artifacts.remove(job.artifact.output_path)
            ids = [job.id for job in jobs]
            self.orchestrator.forget(ids)
            self.jobs.file_removed(ids)
            removed += len(ids)
        return removed
