"""Reading a user's exports: the state of one, and the list of all. Their files are ``downloads``."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from analytics_exports.domain.access import Principal
from analytics_exports.domain.errors import ExportNotFound, FieldProblem, InvalidRequest
from analytics_exports.domain.export import ExportFilter, ExportJob, JobId, Status
from analytics_exports.ports import OwnerJobs
from analytics_exports.services.signing import Signer


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
class ExportReader:
    """Reads exports of a user. Each method takes the authenticated caller first."""

    jobs: OwnerJobs
    signer: Signer

    def state(self, principal: Principal, job_id: JobId) -> ExportState:
        """One of the caller's exports with its position in the queue.

        Raises:
            ExportNotFound: alike for an unknown id and for another user's export.
        """
        job = self.jobs.find(principal.user_id, job_id)
        if job is None:
            raise ExportNotFound
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

    def _position(self, purpose: str, cursor: str) -> tuple[datetime, JobId]:
        values = self.signer.verify(purpose, cursor)
        if values is None:
            raise InvalidRequest(FieldProblem("/cursor", "This is not a cursor of this list; begin without one."))
        created, job_id = map(str, values)
        return datetime.fromisoformat(created), JobId(UUID(job_id))
