"""Links that download one file without a token, for a few minutes: for browsers, and for pasting into a shell.

A link names the export, its owner and its end, under a seal. It opens nothing that its owner could not download then,
and nothing once the owner is disabled.
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
from analytics_exports.services.following import Following, OpenFile
from analytics_exports.services.sealing import Seal

PURPOSE = "download"


@dataclass(frozen=True, slots=True)
class Link:
    """The secret part of a link's address, and until when it works."""

    text: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Linking:
    """Makes links and follows them.

    Attributes:
        lifetime: How long a link works.
        clock: Seconds since the epoch.
    """

    following: Following
    directory: Directory
    seal: Seal
    lifetime: timedelta
    clock: Callable[[], float] = field(default=time.time)

    def make(self, principal: Principal, job_id: JobId) -> Link:
        """A link to the file of one of the caller's completed exports.

        Raises:
            ExportConflict: it is not completed, or it has expired.
            ExportNotFound: there is no such export of the caller's.
        """
        job = self.following.find(principal, job_id)
        if job.status is not Status.COMPLETED:
            raise ExportConflict
        end = int(self.clock() + self.lifetime.total_seconds())
        text = self.seal.close(PURPOSE, str(job_id), str(principal.user_id), end)
        return Link(text, datetime.fromtimestamp(end, UTC))

    def open(self, link: str) -> OpenFile:
        """The file that a link leads to; whoever gets it closes it.

        Raises:
            ExportExpired, StorageUnavailable: as for its owner.
            InvalidLink: it is altered or too old, or its owner is disabled.
        """
        values = self.seal.open(PURPOSE, link)
        if values is None:
            raise InvalidLink
        job_id, user_id, end = values
        if self.clock() >= int(end):
            raise InvalidLink
        owner = self.directory.member(UserId(UUID(str(user_id))), frozenset({Scope.EXPORTS_DOWNLOAD}))
        if owner is None:
            raise InvalidLink
        return self.following.open(owner, JobId(UUID(str(job_id))))
