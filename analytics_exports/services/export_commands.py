"""Requesting an export, retrying one that ended, cancelling one, discarding its file: everything that changes state.

Reading is ``export_reader``; which rows may be requested is ``datasets``.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace

from analytics_exports.domain.access import USER_SCOPES, Principal
from analytics_exports.domain.dataset import DatasetId
from analytics_exports.domain.errors import ExportConflict, ExportNotFound, Unavailable, UserNotFound
from analytics_exports.domain.export import LIVE, ExportJob, ExportRequest, IdempotencyKey, JobId, Status
from analytics_exports.domain.formats import Format
from analytics_exports.domain.selection import Selection
from analytics_exports.ports import ArtifactStore, Orchestrator, OwnerJobs, UserStore
from analytics_exports.services.datasets import DatasetReader
from analytics_exports.services.production import artifact_key

CheckOptions = Callable[[Format, Mapping[str, object]], Mapping[str, object]]
"""Validates the options of a format and returns them as they are stored. Raises InvalidRequest."""

RETRYABLE = frozenset({Status.FAILED, Status.CANCELLED, Status.EXPIRED})
"""States in which an export can be retried."""


@dataclass(frozen=True, slots=True)
class Submitted:
    """A pending export, or the one that was created earlier with the same Idempotency-Key."""

    job: ExportJob
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class ExportCommands:
    """Commands of a user on exports. Each method takes the authenticated caller first.

    Attributes:
        max_unfinished: Unfinished exports that one user may have.
    """

    datasets: DatasetReader
    check_options: CheckOptions
    jobs: OwnerJobs
    artifacts: ArtifactStore
    orchestrator: Orchestrator
    max_unfinished: int

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
        """Store a pending export and add its partition.

        Args:
            key: Idempotency-Key; a repeated request with the same key returns the same export.
            request_id: Id of the HTTP request, in the logs of everything done for the export.

        Raises:
            DatasetNotFound: there is no such dataset.
            IdempotencyKeyInUse: the first request with the key is being processed at this moment.
            IdempotencyKeyReused: the key was used with another request before.
            InvalidRequest: naming every field that is wrong, or that is not the caller's.
            StorageFull, StorageUnavailable: its file could not be written.
            TooManyExports: the caller has too many unfinished exports.
        """
        asked = dataset_id, format, selection, json.dumps(options, sort_keys=True), retry_of
        idempotency_key = _idempotency_key(key, *asked)
        if idempotency_key and (earlier := self.jobs.find_by_key(principal.user_id, idempotency_key)):
            return Submitted(earlier, replayed=True)
        dataset, selection = self.datasets.check(principal, dataset_id, selection)
        request = ExportRequest(
            dataset_id=dataset.id,
            dataset_name=dataset.name,
            format=format,
            selection=selection,
            options=self.check_options(format, options),
        )
        return Submitted(self._created(principal, request, idempotency_key, retry_of, request_id))

    def retry(
        self, principal: Principal, job_id: JobId, *, key: str | None = None, request_id: str | None = None
    ) -> Submitted:
        """Submit an export again that ended without a file, or whose file has expired.

        Raises:
            ExportConflict: it is unfinished, or it has its file.
            ExportNotFound: the caller has no such export.
            Others: as for ``submit``, because what may be exported can have changed since.
        """
        job = self.jobs.find(principal.user_id, job_id)
        if job is None:
            raise ExportNotFound
        if job.status not in RETRYABLE:
            raise ExportConflict
        request = job.request
        asked = request.dataset_id, request.format, request.selection, request.options
        return self.submit(principal, *asked, key=key, retry_of=job_id, request_id=request_id)

    def remove(self, principal: Principal, job_id: JobId) -> ExportJob:
        """Cancel an unfinished export; remove the file of a completed one. Others stay as they are.

        The status changes at once; a run that still works on the export stops afterwards.

        Raises:
            ExportNotFound: the caller has no such export.
        """
        before = self.jobs.find(principal.user_id, job_id)
        job = self.jobs.cancel(principal.user_id, job_id)
        if before is None or job is None:
            raise ExportNotFound
        if job.status is Status.COMPLETED:
            job = self._discard(principal, job)
        elif job.status is Status.CANCELLED and before.status in LIVE and job.run_id:
            with suppress(Unavailable):  # the worker notices at its next heartbeat
                self.orchestrator.terminate(job.run_id)
            with suppress(Unavailable):  # it may just have been published; the sweep would remove it later
                self.artifacts.remove(artifact_key(job))
        return job

    def _created(
        self,
        principal: Principal,
        request: ExportRequest,
        idempotency_key: IdempotencyKey | None,
        retry_of: JobId | None,
        request_id: str | None,
    ) -> ExportJob:
        self.artifacts.check()
        job = self.jobs.create(
            principal,
            request,
            idempotency_key=idempotency_key,
            max_unfinished=self.max_unfinished,
            retry_of=retry_of,
            request_id=request_id,
        )
        with suppress(Unavailable):  # a sensor adds the partition later
            self.orchestrator.add_partitions([job.id])
        return job

    def _discard(self, principal: Principal, job: ExportJob) -> ExportJob:
        """Expire the export first, so that no new download begins on a file that is being removed."""
        discarded = self.jobs.discard(principal.user_id, job.id) or replace(job, status=Status.EXPIRED)
        if job.artifact is not None:
            self.artifacts.remove(job.artifact.output_path)
        return discarded


@dataclass(frozen=True, slots=True)
class OperatorRequests:
    """Submits exports for a user whom an operator names."""

    users: UserStore
    export_commands: ExportCommands

    def submit(
        self, who: str, dataset_id: DatasetId, format: Format, selection: Selection, options: Mapping[str, object]
    ) -> ExportJob:
        """Submit an export for the user with this id, owner key or label.

        Raises:
            UserNotFound: there is no such user, there are several, or the user is disabled.
            ExportError: as ``ExportCommands.submit``.
        """
        user = self.users.find(who)
        if user.disabled_at is not None:
            raise UserNotFound("This user is disabled.")
        principal = Principal(user.id, user.owner_key, USER_SCOPES, actor="operator")
        return self.export_commands.submit(principal, dataset_id, format, selection, options).job


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _idempotency_key(key: str | None, *asked: object) -> IdempotencyKey | None:
    return None if key is None else IdempotencyKey(_digest(key), _digest(repr(asked)))
