"""Asking for an export, looking it up, cancelling it, opening its file: everything its owner does."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from analytics_exports.domain.access import Principal
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.dataset import DatasetId
from analytics_exports.domain.errors import (
    ExportConflict,
    ExportExpired,
    ExportNotFound,
    ExportNotReady,
    ExportUnavailable,
    Unavailable,
)
from analytics_exports.domain.export import LIVE, ExportJob, ExportRequest, JobId, Status
from analytics_exports.domain.formats import Format
from analytics_exports.domain.selection import Selection
from analytics_exports.ports import ArtifactStore, JobStore, Orchestrator
from analytics_exports.services.selecting import Selecting


@dataclass(frozen=True, slots=True)
class Requesting:
    """What an owner can do with exports. Each method takes the authenticated caller first."""

    selecting: Selecting
    jobs: JobStore
    artifacts: ArtifactStore
    orchestrator: Orchestrator

    def submit(
        self,
        principal: Principal,
        dataset_id: DatasetId,
        format: Format,
        selection: Selection,
        options: Mapping[str, object],
    ) -> ExportJob:
        """Store a pending export and make it a partition.

        The row alone is enough: when Dagster cannot be reached now, the sensor registers the partition.

        Raises:
            DatasetNotFound: there is no such dataset.
            InvalidRequest: naming every field that is wrong, or that is not the caller's.
        """
        dataset, checked = self.selecting.check(principal, dataset_id, selection)
        request = ExportRequest(
            dataset_id=dataset.id, dataset_name=dataset.name, format=format, selection=checked, options=options
        )
        job = self.jobs.create(principal, request)
        with suppress(Unavailable):
            self.orchestrator.register([job.id])
        return job

    def find(self, principal: Principal, job_id: JobId) -> ExportJob:
        """One of the caller's exports. Raises ExportNotFound for an unknown and for a foreign id alike."""
        job = self.jobs.find(principal.user_id, job_id)
        if job is None:
            raise ExportNotFound
        return job

    def open(self, principal: Principal, job_id: JobId) -> tuple[ExportJob, Artifact, BinaryIO]:
        """The finished file of one of the caller's exports; the caller closes it.

        Raises:
            ExportNotFound: there is no such export of the caller's.
            ExportNotReady: it has no file yet.
            ExportUnavailable: it failed or was cancelled.
            ExportExpired: its file is gone.
        """
        job = self.find(principal, job_id)
        if job.status in LIVE:
            raise ExportNotReady
        if job.status is Status.EXPIRED:
            raise ExportExpired
        if job.artifact is None:
            raise ExportUnavailable
        file = self.artifacts.open(job.artifact.output_path)
        if file is None:
            raise ExportExpired
        return job, job.artifact, file

    def cancel(self, principal: Principal, job_id: JobId) -> ExportJob:
        """Stop a pending or running export: its status says so at once, its run and its file go after.

        Raises:
            ExportNotFound: there is no such export of the caller's.
            ExportConflict: it has ended otherwise already.
        """
        job = self.jobs.cancel(principal.user_id, job_id)
        if job is None:
            raise ExportNotFound
        if job.status is not Status.CANCELLED:
            raise ExportConflict
        if job.run_id:
            self.orchestrator.terminate(job.run_id)
        return job
