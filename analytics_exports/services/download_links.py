"""Links that download one file without a token, for a few minutes: for browsers, and for pasting into a shell.

A link holds the signed ids of the export and its owner, and an expiry time. It gives access only to what its owner can
download at that moment, and to nothing once the owner is disabled.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from analytics_exports.domain.access import Principal, Scope, UserId
from analytics_exports.domain.errors import ExportConflict, InvalidLink
from analytics_exports.domain.export import JobId, Status
from analytics_exports.ports import Directory
from analytics_exports.services.export_reader import ExportReader, OpenFile
from analytics_exports.services.signing import Signer

PURPOSE = "download"


@dataclass(frozen=True, slots=True)
class Link:
    """The secret part of a link's URL, and when the link expires."""

    secret: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class DownloadLinks:
    """Creates links and opens the files they refer to.

    Attributes:
        lifetime: How long a link is valid.
        clock: Returns seconds since the epoch.
    """

    export_reader: ExportReader
    directory: Directory
    signer: Signer
    lifetime: timedelta
    clock: Callable[[], float] = field(default=time.time)

    def create(self, principal: Principal, job_id: JobId) -> Link:
        """A link to the file of one of the caller's completed exports.

        Raises:
            ExportConflict: it is not completed, or it has expired.
            ExportNotFound: the caller has no such export.
        """
        job = self.export_reader.find(principal, job_id)
        if job.status is not Status.COMPLETED:
            raise ExportConflict
        end = int(self.clock() + self.lifetime.total_seconds())
        text = self.signer.sign(PURPOSE, str(job_id), str(principal.user_id), end)
        return Link(text, datetime.fromtimestamp(end, UTC))

    def open(self, link: str) -> OpenFile:
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
        return self.export_reader.open(owner, JobId(UUID(str(job_id))))
