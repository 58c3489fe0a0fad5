"""Downloads: the file of a completed export, for its owner, and for holders of a download link.

A link downloads one file without a token, for a few minutes: for browsers, and for pasting into a shell. It holds the
signed ids of the export and its owner, and an expiry time. It gives access only to what its owner can download at that
moment, and to nothing once the owner is disabled.
"""

import hashlib
import io
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import BinaryIO
from uuid import UUID

from analytics_exports.domain.access import Principal, Scope, UserId
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.errors import (
    ExportConflict,
    ExportExpired,
    ExportNotFound,
    ExportNotReady,
    ExportUnavailable,
    InvalidLink,
    Unavailable,
)
from analytics_exports.domain.export import LIVE, ExportJob, JobId, Status
from analytics_exports.ports import ArtifactStore, Directory, OwnerJobs, StoredFile
from analytics_exports.services.signing import Signer

PURPOSE = "download"

REPLACEMENT_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Waits, in seconds, for a file that is being replaced."""

READ_BYTES = 2**20

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Link:
    """The secret part of a link's URL, and when the link expires."""

    secret: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OpenFile:
    """The file of a completed export, open for reading. The receiver closes it.

    Attributes:
        by_link: Whether it was opened by a link, without a token.
    """

    job: ExportJob
    artifact: Artifact
    file: BinaryIO
    by_link: bool = False


@dataclass(frozen=True, slots=True)
class Downloads:
    """Opens files, creates links, and records transfers.

    Attributes:
        lifetime: How long a link is valid, and an address of the artifact store.
        clock: Returns seconds since the epoch.
    """

    jobs: OwnerJobs
    artifacts: ArtifactStore
    directory: Directory
    signer: Signer
    lifetime: timedelta
    clock: Callable[[], float] = field(default=time.time)

    def open(self, principal: Principal, job_id: JobId) -> OpenFile:
        """Open the file of one of the caller's exports. The receiver closes it.

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
        return self._open(principal.user_id, job_id, by_link=False)

    def create_link(self, principal: Principal, job_id: JobId) -> Link:
        """A link to the file of one of the caller's completed exports.

        Raises:
            ExportConflict: it is not completed, or it has expired.
            ExportNotFound: the caller has no such export.
        """
        job = self._find(principal.user_id, job_id)
        if job.status is not Status.COMPLETED:
            raise ExportConflict
        end = int(self.clock() + self.lifetime.total_seconds())
        text = self.signer.sign(PURPOSE, str(job_id), str(principal.user_id), end)
        return Link(text, datetime.fromtimestamp(end, UTC))

    def open_link(self, link: str) -> OpenFile:
        """Open the file that a link refers to. The receiver closes it.

        Raises:
            ExportExpired, StorageUnavailable: as for its owner.
            InvalidLink: it is altered or expired, or its owner is disabled.
        """
        values = self.signer.verify(PURPOSE, link)
        if values is None:
            raise InvalidLink
        job_id, user_id, end = values
        if self.clock() >= int(end):
            raise InvalidLink
        owner = self.directory.get_active_user(UserId(UUID(str(user_id))), frozenset({Scope.EXPORTS_DOWNLOAD}))
        if owner is None:
            raise InvalidLink
        return self._open(owner.user_id, JobId(UUID(str(job_id))), by_link=True)

    def store_address(self, found: OpenFile) -> str | None:
        """A URL of the artifact store itself; ``None`` when it has none, or the file may be replaced meanwhile."""
        if found.job.replacing:
            return None
        return self.artifacts.link(found.artifact.output_path, self.lifetime)

    def record(self, found: OpenFile, first_byte: int, byte_count: int) -> None:
        """Record that a transfer of ``byte_count`` bytes begins."""
        self.jobs.record_download(found.job.id, first_byte, byte_count, by_link=found.by_link)

    def _find(self, user_id: UserId, job_id: JobId) -> ExportJob:
        job = self.jobs.find(user_id, job_id)
        if job is None:
            raise ExportNotFound
        return job

    def _open(self, user_id: UserId, job_id: JobId, *, by_link: bool) -> OpenFile:
        before: ExportJob | None = None
        for pause in (*REPLACEMENT_WAITS, None):
            job = self._finished(user_id, job_id)
            if match := self._matching(job):
                return OpenFile(job, *match, by_link=by_link)
            if before is not None and before.artifact == job.artifact and not job.replacing:
                break
            if pause is None:
                raise Unavailable("The file is being made again; ask again in a moment.")
            before = job  # the file may have been replaced since the row was read
            time.sleep(pause)
        logger.error("The file of export %s is missing or damaged", job_id)
        self.jobs.discard(user_id, job_id)
        raise ExportExpired

    def _finished(self, user_id: UserId, job_id: JobId) -> ExportJob:
        """An export that has a file. Raises as ``open``."""
        job = self._find(user_id, job_id)
        if job.status in LIVE:
            raise ExportNotReady
        if job.status is Status.EXPIRED:
            raise ExportExpired
        if job.artifact is None:
            raise ExportUnavailable
        return job

    def _matching(self, job: ExportJob) -> tuple[Artifact, BinaryIO] | None:
        """The file, and the facts that match it; ``None`` when there is no file, or no facts match."""
        known = [artifact for artifact in (job.replacement, job.artifact) if artifact is not None]
        found = self.artifacts.open(known[-1].output_path)
        if found is None:
            return None
        for is_of in (_matches_version, _matches_checksum):
            for artifact in known:
                if found.content.seek(0, io.SEEK_END) == artifact.file_size_bytes and is_of(found, artifact):
                    found.content.seek(0)
                    return artifact, found.content
        found.content.close()
        return None


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
