"""Reading a user's exports: the state of one, the list of all, and the file of a completed one."""

import hashlib
import io
import logging
import time
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
    Unavailable,
)
from analytics_exports.domain.export import LIVE, ExportFilter, ExportJob, JobId, Status
from analytics_exports.ports import ArtifactStore, JobStore, StoredFile
from analytics_exports.services.signing import Signer

REPLACEMENT_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Waits, in seconds, for a file that is being replaced."""

READ_BYTES = 2**20

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ExportState:
    """An export and, while it is pending, its position in the queue: 1 for the export that is launched next."""

    job: ExportJob
    queue_position: int | None


@dataclass(frozen=True, slots=True)
class ExportPage:
    """Some exports, newest first. ``next`` is the cursor of the following page; ``None`` on the last."""

    jobs: Sequence[ExportJob]
    next: str | None


@dataclass(frozen=True, slots=True)
class OpenFile:
    """The file of a completed export, open for reading. The receiver closes it."""

    job: ExportJob
    artifact: Artifact
    file: BinaryIO


@dataclass(frozen=True, slots=True)
class ExportReader:
    """Reads exports of a user. Each method takes the authenticated caller first."""

    jobs: JobStore
    artifacts: ArtifactStore
    signer: Signer

    def find(self, principal: Principal, job_id: JobId) -> ExportJob:
        """One of the caller's exports. Raises ExportNotFound alike for an unknown id and for another user's export."""
        job = self.jobs.find(principal.user_id, job_id)
        if job is None:
            raise ExportNotFound
        return job

    def state(self, principal: Principal, job_id: JobId) -> ExportState:
        """One of the caller's exports with its position in the queue. Raises ExportNotFound."""
        job = self.find(principal, job_id)
        return ExportState(job, self.jobs.queue_position(job_id) if job.status is Status.PENDING else None)

    def list(self, principal: Principal, which: ExportFilter, limit: int, cursor: str | None = None) -> ExportPage:
        """One page of the caller's exports.

        Raises:
            InvalidRequest: the cursor was not made for this caller and these filters.
        """
        purpose = f"list {principal.user_id} {which!r}"
        after = None if cursor is None else self._position(purpose, cursor)
        found = self.jobs.list_for_user(principal.user_id, which, limit + 1, after)
        page, last = found[:limit], found[limit - 1 : limit]
        if len(found) <= limit:
            return ExportPage(page, next=None)
        return ExportPage(page, next=self.signer.sign(purpose, last[0].created_at.isoformat(), str(last[0].id)))

    def open(self, principal: Principal, job_id: JobId) -> OpenFile:
        """Open the file of one of the caller's exports.

        A file that is missing before its time, or differs from the one that was published, will not come back: the
        export expires. While it may be being replaced, nothing is concluded from its absence.

        Raises:
            ExportNotFound: the caller has no such export.
            ExportNotReady: it has no file yet.
            ExportUnavailable: it failed or was cancelled.
            ExportExpired: its file is gone.
            StorageUnavailable: the artifact store cannot be reached.
            Unavailable: the file is being replaced at this moment.
        """
        before: ExportJob | None = None
        for pause in (*REPLACEMENT_WAITS, None):
            job = self._finished(principal, job_id)
            if found := self._open(job):
                return found
            if before is not None and before.artifact == job.artifact and not job.replacing:
                break
            if pause is None:
                raise Unavailable("The file is being made again; ask again in a moment.")
            before = job  # the file may have been replaced since the row was read
            time.sleep(pause)
        logger.error("The file of export %s is missing or damaged", job_id)
        self.jobs.discard(principal.user_id, job_id)
        raise ExportExpired

    def _finished(self, principal: Principal, job_id: JobId) -> ExportJob:
        """An export that has a file. Raises as ``open``."""
        job = self.find(principal, job_id)
        if job.status in LIVE:
            raise ExportNotReady
        if job.status is Status.EXPIRED:
            raise ExportExpired
        if job.artifact is None:
            raise ExportUnavailable
        return job

    def _open(self, job: ExportJob) -> OpenFile | None:
        """Open the file with the facts that match it; ``None`` when there is no file, or no facts match."""
        known = [artifact for artifact in (job.replacement, job.artifact) if artifact is not None]
        found = self.artifacts.open(known[-1].output_path)
        if found is None:
            return None
        for is_of in (_matches_version, _matches_checksum):
            for artifact in known:
                if found.content.seek(0, io.SEEK_END) == artifact.file_size_bytes and is_of(found, artifact):
                    found.content.seek(0)
                    return OpenFile(job, artifact, found.content)
        found.content.close()
        return None

    def _position(self, purpose: str, cursor: str) -> tuple[datetime, JobId]:
        values = self.signer.verify(purpose, cursor)
        if values is None:
            raise InvalidRequest(FieldProblem("/cursor", "This is not a cursor of this list; begin without one."))
        created, job_id = map(str, values)
        return datetime.fromisoformat(created), JobId(UUID(job_id))


def _matches_version(file: StoredFile, artifact: Artifact) -> bool:
    """Whether the stored file is the one that was written. Artifacts without a version are compared by size only."""
    return artifact.version in ("", file.version)


def _matches_checksum(file: StoredFile, artifact: Artifact) -> bool:
    """Whether the checksum matches; for files that were copied to another place since."""
    digest = hashlib.sha256()
    file.content.seek(0)
    while chunk := file.content.read(READ_BYTES):
        digest.update(chunk)
    return digest.hexdigest() == artifact.sha256
