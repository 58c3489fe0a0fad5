"""Asking for an export, once more for one that ended, cancelling it, discarding its file: all that changes something.

Looking is ``following``; which rows may be asked for is ``selecting``.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from analytics_exports.domain.access import Principal
from analytics_exports.domain.dataset import DatasetId
from analytics_exports.domain.errors import ExportConflict, ExportNotFound, Unavailable
from analytics_exports.domain.export import LIVE, ExportJob, ExportRequest, JobId, Once, Status
from analytics_exports.domain.formats import Format
from analytics_exports.domain.selection import Selection
from analytics_exports.ports import ArtifactStore, JobStore, Orchestrator
from analytics_exports.services.producing import artifact_key
from analytics_exports.services.selecting import Selecting

CheckOptions = Callable[[Format, Mapping[str, object]], Mapping[str, object]]
"""Options of a format as they are stored. Raises InvalidRequest for what the format does not know."""

AGAIN = frozenset({Status.FAILED, Status.CANCELLED, Status.EXPIRED})
"""What can be asked for once more."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A pending export, or the one that the same Idempotency-Key made before."""

    job: ExportJob
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Requesting:
    """What an owner can do with exports. Each method takes the authenticated caller first.

    Attributes:
        most_live: Unfinished exports that one user may have.
    """

    selecting: Selecting
    check_options: CheckOptions
    jobs: JobStore
    artifacts: ArtifactStore
    orchestrator: Orchestrator
    most_live: int

    def submit(
        self,
        principal: Principal,
        dataset_id: DatasetId,
        format: Format,
        selection: Selection,
        options: Mapping[str, object],
        *,
        key: str | None = None,
        retry_of: JobId | None = None,
        request_id: str | None = None,
    ) -> Submitted:
        """Store a pending export and make it a partition.

        The row alone is enough: when Dagster cannot be reached now, the sensor registers the partition.

        Args:
            key: Makes the request safe to repeat: with the same key it is answered with the same export.
            request_id: What operators find everything about the export under.

        Raises:
            DatasetNotFound: there is no such dataset.
            IdempotencyKeyInUse: the first request with the key is being answered at this moment.
            IdempotencyKeyReused: the key came with another request before.
            InvalidRequest: naming every field that is wrong, or that is not the caller's.
            StorageFull, StorageUnavailable: its file could not be written.
            TooManyExports: the caller has as many unfinished ones as they may.
        """
        once = _once(key, dataset_id, format, selection, json.dumps(options, sort_keys=True), retry_of)
        if once and (earlier := self.jobs.repeated(principal.user_id, once)):
            return Submitted(earlier, replayed=True)
        dataset, selection = self.selecting.checked(principal, dataset_id, selection)
        request = ExportRequest(
            dataset_id=dataset.id,
            dataset_name=dataset.name,
            format=format,
            selection=selection,
            options=self.check_options(format, options),
        )
        return Submitted(self._created(principal, request, once, retry_of, request_id))

    def retry(
        self, principal: Principal, job_id: JobId, *, key: str | None = None, request_id: str | None = None
    ) -> Submitted:
        """Ask once more for what an export that ended without a file, or lost it, was asked for.

        Raises:
            ExportConflict: it is unfinished, or it has its file.
            ExportNotFound: there is no such export of the caller's.
            Others: as for ``submit``, because what may be exported can have changed since.
        """
        job = self.jobs.find(principal.user_id, job_id)
        if job is None:
            raise ExportNotFound
        if job.status not in AGAIN:
            raise ExportConflict
        request = job.request
        asked = request.dataset_id, request.format, request.selection, request.options
        return self.submit(principal, *asked, key=key, retry_of=job_id, request_id=request_id)

    def remove(self, principal: Principal, job_id: JobId) -> ExportJob:
        """Cancel an export that is unfinished; remove the file of one that is completed. Others stay as they are.

        Its status says so at once; a run that still works on it stops after.

        Raises:
            ExportNotFound: there is no such export of the caller's.
        """
        before = self.jobs.find(principal.user_id, job_id)
        job = self.jobs.cancel(principal.user_id, job_id)
        if before is None or job is None:
            raise ExportNotFound
        if job.status is Status.COMPLETED:
            job = self._discard(principal, job)
        elif job.status is Status.CANCELLED and before.status in LIVE and job.run_id:
            with suppress(Unavailable):  # the worker finds out by itself at its next heartbeat
                self.orchestrator.terminate(job.run_id)
            with suppress(Unavailable):  # it may have been published a moment ago; the sweep removes it otherwise
                self.artifacts.remove(artifact_key(job))
        return job

    def _created(
        self,
        principal: Principal,
        request: ExportRequest,
        once: Once | None,
        retry_of: JobId | None,
        request_id: str | None,
    ) -> ExportJob:
        self.artifacts.check()
        job = self.jobs.create(
            principal, request, once=once, most=self.most_live, retry_of=retry_of, request_id=request_id
        )
        with suppress(Unavailable):
            self.orchestrator.register([job.id])
        return job

    def _discard(self, principal: Principal, job: ExportJob) -> ExportJob:
        """The status changes first, so that no new download begins on a file that goes."""
        discarded = self.jobs.discard(principal.user_id, job.id) or replace(job, status=Status.EXPIRED)
        if job.artifact is not None:
            self.artifacts.remove(job.artifact.output_path)
        return discarded


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _once(key: str | None, *asked: object) -> Once | None:
    return None if key is None else Once(_digest(key), _digest(repr(asked)))
