"""Looking at one's exports: where one stands, which there are, and the file of a finished one."""

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
from analytics_exports.services.sealing import Seal

REPLACING_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Waits, in seconds, for a file that is being replaced."""

READ_BYTES = 2**20

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

        A file that is missing before its time, or is another than it was, will not come back: the export expires. But
        while one may be replaced, nothing is concluded from what is there.

        Raises:
            ExportNotFound: there is no such export of the caller's.
            ExportNotReady: it has no file yet.
            ExportUnavailable: it failed or was cancelled.
            ExportExpired: its file is gone.
            StorageUnavailable: the place where files are kept cannot be reached.
            Unavailable: the file is being replaced at this moment.
        """
        before: ExportJob | None = None
        for pause in (*REPLACING_PAUSES, None):
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
        """The file with the facts that are its own; ``None`` when there is none, or it has others."""
        known = [artifact for artifact in (job.replacement, job.artifact) if artifact is not None]
        found = self.artifacts.open(known[-1].output_path)
        if found is None:
            return None
        for is_of in (_is_by_version, _is_by_checksum):
            for artifact in known:
                if found.content.seek(0, io.SEEK_END) == artifact.file_size_bytes and is_of(found, artifact):
                    found.content.seek(0)
                    return OpenFile(job, artifact, found.content)
        found.content.close()
        return None

    def _position(self, purpose: str, cursor: str) -> tuple[datetime, JobId]:
        values = self.seal.open(purpose, cursor)
        if values is None:
            raise InvalidRequest(FieldProblem("/cursor", "This is not a cursor of this list; begin without one."))
        created, job_id = map(str, values)
        return datetime.fromisoformat(created), JobId(UUID(job_id))


def _is_by_version(file: StoredFile, artifact: Artifact) -> bool:
    """Whether it is the one that was written; one from before there were versions is known by its size alone."""
    return artifact.version in ("", file.version)


def _is_by_checksum(file: StoredFile, artifact: Artifact) -> bool:
    """For files that were copied to another place since."""
    digest = hashlib.sha256()
    file.content.seek(0)
    while chunk := file.content.read(READ_BYTES):
        digest.update(chunk)
    return digest.hexdigest() == artifact.sha256
