"""Looking at one's exports: where one stands, which there are, and the file of a finished one."""

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO
from uuid import UUID

from analytics_exports.domain.access import Principal
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.errors import (
    ExportExpired,
    ExportNotFound,
    ExportNotReady,
    ExportUnavailable,
    FieldProblem,
    InvalidRequest,
)
from analytics_exports.domain.export import LIVE, ExportFilter, ExportJob, JobId, Status
from analytics_exports.ports import ArtifactStore, JobStore
from analytics_exports.services.sealing import Seal

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an export stands; ``ahead`` counts the exports that are pending before it, if it is pending."""

    job: ExportJob
    ahead: int | None


@dataclass(frozen=True, slots=True)
class Listed:
    """Some exports, newest first; ``next`` is the cursor of those after them, ``None`` on the last page."""

    jobs: Sequence[ExportJob]
    next: str | None


@dataclass(frozen=True, slots=True)
class OpenFile:
    """The file of a completed export, open for reading; whoever gets it closes it."""

    job: ExportJob
    artifact: Artifact
    file: BinaryIO


@dataclass(frozen=True, slots=True)
class Following:
    """What an owner can see of exports. Each method takes the authenticated caller first."""

    jobs: JobStore
    artifacts: ArtifactStore
    seal: Seal

    def find(self, principal: Principal, job_id: JobId) -> ExportJob:
        """One of the caller's exports. Raises ExportNotFound for an unknown and for a foreign id alike."""
        job = self.jobs.find(principal.user_id, job_id)
        if job is None:
            raise ExportNotFound
        return job

    def standing(self, principal: Principal, job_id: JobId) -> Standing:
        """The same, with its place in the queue."""
        job = self.find(principal, job_id)
        return Standing(job, self.jobs.ahead(job_id) if job.status is Status.PENDING else None)

    def list(self, principal: Principal, which: ExportFilter, limit: int, cursor: str | None = None) -> Listed:
        """A page of the caller's exports.

        Raises:
            InvalidRequest: the cursor is not one of this caller and these filters.
        """
        purpose = f"list {principal.user_id} {which!r}"
        after = None if cursor is None else self._position(purpose, cursor)
        found = self.jobs.list_own(principal.user_id, which, limit + 1, after)
        page, last = found[:limit], found[limit - 1 : limit]
        if len(found) <= limit:
            return Listed(page, next=None)
        return Listed(page, next=self.seal.close(purpose, last[0].created_at.isoformat(), str(last[0].id)))

    def open(self, principal: Principal, job_id: JobId) -> OpenFile:
        """The finished file of one of the caller's exports.

        A file that is missing before its time, or not as long as it was, will not come back: the export expires.

        Raises:
            ExportNotFound: there is no such export of the caller's.
            ExportNotReady: it has no file yet.
            ExportUnavailable: it failed or was cancelled.
            ExportExpired: its file is gone.
            StorageUnavailable: the place where files are kept cannot be reached.
        """
        job = self.find(principal, job_id)
        if job.status in LIVE:
            raise ExportNotReady
        if job.status is Status.EXPIRED:
            raise ExportExpired
        if job.artifact is None:
            raise ExportUnavailable
        file = self.artifacts.open(job.artifact.output_path)
        if file is not None and file.seek(0, io.SEEK_END) == job.artifact.file_size_bytes:
            return OpenFile(job, job.artifact, file)
        if file is not None:
            file.close()
        logger.error("The file of export %s is missing or damaged", job_id)
        self.jobs.discard(principal.user_id, job_id)
        raise ExportExpired

    def _position(self, purpose: str, cursor: str) -> tuple[datetime, JobId]:
        values = self.seal.open(purpose, cursor)
        if values is None:
            raise InvalidRequest(FieldProblem("/cursor", "This is not a cursor of this list; begin without one."))
        created, job_id = map(str, values)
        return datetime.fromisoformat(created), JobId(UUID(job_id))
