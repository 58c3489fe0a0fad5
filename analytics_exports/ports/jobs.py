"""The jobs table, and the notifications about its changes."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

from analytics_exports.domain.access import Principal, UserId
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.export import (
    Claim,
    ExportFilter,
    ExportJob,
    ExportRequest,
    Failure,
    IdempotencyKey,
    JobId,
    Launch,
)


class OwnerJobs(Protocol):
    """What owners do with their exports."""

    def create(
        self,
        principal: Principal,
        request: ExportRequest,
        *,
        idempotency_key: IdempotencyKey | None = None,
        max_unfinished: int | None = None,
        retry_of: JobId | None = None,
        request_id: str | None = None,
    ) -> ExportJob:
        """Store a new pending export, or return the one that was stored with the same idempotency key.

        Raises:
            IdempotencyKeyInUse: the first request with the key is being processed at this moment.
            IdempotencyKeyReused: the key was used with another request before.
            TooManyExports: the user has ``max_unfinished`` unfinished exports.
        """

    def find_by_key(self, user_id: UserId, idempotency_key: IdempotencyKey) -> ExportJob | None:
        """The export that was stored with this idempotency key. Raises IdempotencyKeyReused as ``create``."""

    def find(self, user_id: UserId, job_id: JobId) -> ExportJob | None:
        """An export of this user; ``None`` when it does not exist or belongs to another user.

        A completed export past its retention is reported as expired, even before that transition was made.
        """

    def list_for_user(
        self, user_id: UserId, which: ExportFilter, limit: int, after: tuple[datetime, JobId] | None = None
    ) -> Sequence[ExportJob]:
        """Exports of this user, newest first; those after the one with this creation time and id."""

    def queue_position(self, job_id: JobId) -> int:
        """The position of a pending export in the queue as it is now: 1 for the one that is launched next."""

    def cancel(self, user_id: UserId, job_id: JobId) -> ExportJob | None:
        """Pending or running becomes cancelled. Returns the export as it then is; ``None`` if it is not the user's."""

    def discard(self, user_id: UserId, job_id: JobId) -> ExportJob | None:
        """Completed becomes expired. Returns the export as it then is; ``None`` if it is not the user's."""

    def record_download(self, job_id: JobId, first_byte: int, byte_count: int, *, by_link: bool) -> None:
        """Record that a transfer of ``byte_count`` bytes begins; ``by_link`` when the request had no token."""


class AttemptJobs(Protocol):
    """What workers and maintenance both do."""

    def load(self, job_id: JobId) -> ExportJob | None:
        """An export of any user: for workers and operators only."""

    def fail_attempt(self, claim: Claim, failure: Failure, max_attempts: int) -> bool:
        """End an attempt: the export becomes pending when another attempt can help, failed otherwise.

        Another attempt can help when the failure is retryable, and fewer than ``max_attempts`` ended by causes that are
        not transient; or, for a transient cause, when there were fewer attempts, or the first failed less than
        ``TRANSIENT_RETRY_PERIOD`` ago. The waits between attempts grow.
        """


class WorkerJobs(AttemptJobs, Protocol):
    """Launching and making exports."""

    def lease_pending(self, limit: int, ttl: timedelta) -> Sequence[Launch]:
        """Lease pending exports to be launched now: for ``ttl`` nobody else gets them.

        The order is fair between users: the first export of a user who has none in the queue comes before the third
        waiting export of any other user.
        """

    def time_to_next_launch(self) -> timedelta | None:
        """How long until the next pending export can be leased, not positive if one can now; ``None`` without any."""

    def unlease(self, launches: Collection[Launch]) -> None:
        """Return leased exports that will not be claimed.

        They can be leased again at once, and keep their place in the queue.
        """

    def started_since(self, age: timedelta) -> bool:
        """Whether an export is running that was started no longer than ``age`` ago."""

    def claim(self, job_id: JobId, run_id: str, lease: timedelta, *, remake: bool = False) -> tuple[ExportJob, Claim]:
        """Claim the next attempt: pending becomes running.

        Args:
            remake: Whether a completed export may be claimed too, to be made again.

        Raises:
            ClaimLost: the export cannot be produced in its current state, or another worker has it.
            InternalFailure: its row is malformed; the export has failed now.
        """

    def renew(self, claim: Claim, lease: timedelta, progress: Mapping[str, object]) -> bool:
        """Extend the lease and store progress; ``False`` when the claim is lost and the work must stop."""

    def publishing(self, claim: Claim, replacement: Artifact | None = None) -> AbstractContextManager[None]:
        """Lock the row while a file becomes visible.

        Args:
            replacement: The new file of an export that already has one: its facts are stored before the file is
                visible, and replace those of the old file immediately after.

        Raises:
            ClaimLost: the claim is no longer valid.
        """


class MaintenanceJobs(AttemptJobs, Protocol):
    """The event log projection, and the end of exports."""

    def complete(self, claim: Claim, artifact: Artifact, retention: timedelta) -> bool:
        """Running becomes completed; ``False`` when the claim is not the current one. Idempotent."""

    def complete_all(self, published: Mapping[Claim, Artifact], retention: timedelta) -> Collection[JobId]:
        """``complete`` several exports in one transaction: all, or none if it raises. Returns those that completed."""

    def fail_run(self, run_id: str, failure: Failure, max_attempts: int) -> Collection[JobId]:
        """End the attempts that an unsuccessfully ended run still holds, as ``fail_attempt``. Returns their exports."""

    def expired_leases(self, limit: int) -> Sequence[Claim]:
        """Claims on running exports whose lease has expired."""

    def expire(self, limit: int) -> Sequence[ExportJob]:
        """Completed exports past their retention become expired. Returns every expired export that still has a file."""

    def mark_files_removed(self, job_ids: Collection[JobId]) -> None:
        """Record that the files of these expired exports have been removed."""

    def delete_idempotency_keys(self, age: timedelta) -> int:
        """Delete the idempotency keys of exports older than ``age``. Returns how many."""

    def read_cursor(self, name: str) -> int:
        """The stored position of a reader; 0 at first."""

    def advance_cursor(self, name: str, position: int) -> None:
        """Store the position of a reader; it never goes back."""

    def skip_event(self, position: int, reason: str) -> None:
        """Record that the event at this position could not be applied; it is retried after a growing wait."""

    def skipped_events(self, limit: int) -> Sequence[int]:
        """Positions of skipped events whose retry is due."""

    def count_skipped_events(self) -> int:
        """The number of skipped events."""

    def unskip_event(self, position: int) -> None:
        """Record that a skipped event was applied after all, or no longer exists."""


class JobStore(OwnerJobs, WorkerJobs, MaintenanceJobs, Protocol):
    """The whole jobs table. A service names the role it needs.

    Each method is one transaction, each transition one compare-and-set on the database's clock.
    """


class Signal(Protocol):
    """A notification from other processes, without content."""

    def wait(self, seconds: float) -> bool:
        """Wait for the notification; ``False`` after ``seconds``."""

    def listeners(self) -> int:
        """How many wait for the same notification now, this one included."""

    def acquire_slot(self, limit: int) -> bool:
        """Take one of ``limit`` slots among all who wait for the same notification, until this stops listening.

        Returns:
            Whether a slot was free.
        """


class Notifications(Protocol):
    """Notifications from other processes, each with a text."""

    def receive(self, seconds: float) -> Collection[str]:
        """Wait for notifications, at most ``seconds``. Returns their texts."""
