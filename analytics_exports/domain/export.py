"""The export job: what was requested, its state, and which states may follow which.

    pending ─claim─► running ─publish─► completed ─expire─► expired
       │  ▲            │ │ │
       │  └─ requeue ──┘ │ └─ cancel ─► cancelled
       └── cancel/fail   └─ fail ─► failed

The values here only define what is legal. A transition is one compare-and-set in ``database``, on PostgreSQL's clock;
deciding which to make belongs to ``services``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NewType, Self
from uuid import UUID

from analytics_exports.domain.access import OwnerScope, UserId
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.dataset import DatasetId
from analytics_exports.domain.errors import ExportError, WorkerLost
from analytics_exports.domain.formats import Format
from analytics_exports.domain.selection import Selection

JobId = NewType("JobId", UUID)


class Status(StrEnum):
    """The state of an export."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


NEXT: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {
        Status.PENDING: frozenset({Status.RUNNING, Status.CANCELLED, Status.FAILED}),
        Status.RUNNING: frozenset({Status.PENDING, Status.COMPLETED, Status.FAILED, Status.CANCELLED}),
        Status.COMPLETED: frozenset({Status.EXPIRED}),
        Status.FAILED: frozenset(),
        Status.CANCELLED: frozenset(),
        Status.EXPIRED: frozenset(),
    }
)
"""The legal transitions; a trigger in the database refuses every other one."""

LIVE = frozenset({Status.PENDING, Status.RUNNING})
"""States in which an export still needs work."""


TRANSIENT_RETRY_PERIOD = timedelta(minutes=5)
"""How long exports that fail for a transient cause are retried, at least."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an export failed: a stable code and a fixed sentence, never the text of an exception.

    Attributes:
        retryable: Whether another attempt can help.
        transient: Whether the cause lies outside the export and passes; such attempts are not counted at first.
    """

    code: str
    message: str
    retryable: bool
    transient: bool = field(default=False, compare=False)

    @classmethod
    def of(cls, error: type[ExportError]) -> "Failure":
        """The failure for ``error``. A lost worker is not transient: the export itself may have caused it."""
        transient = error.retryable and error is not WorkerLost
        return cls(error.code, error.sentence(), error.retryable, transient)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRequest:
    """What is to be exported: the parameters that a retry keeps.

    Attributes:
        selection: Already checked against the dataset.
        options: Options of the format, validated.
    """

    dataset_id: DatasetId
    dataset_name: str
    format: Format
    selection: Selection
    options: Mapping[str, object] = field(default_factory=dict)

    def to_plain(self) -> dict[str, Any]:
        """The request as plain JSON values. Other readers of the jobs table rely on the names."""
        return {
            "dataset_id": str(self.dataset_id),
            "dataset_name": self.dataset_name,
            "format": self.format.value,
            "filters": self.selection.plain_filters(),
            "columns": self.selection.columns and list(self.selection.columns),
            "options": dict(self.options),
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The request that ``to_plain`` wrote; other names are ignored.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: it was not written by ``to_plain``.
        """
        return cls(
            dataset_id=DatasetId(UUID(plain["dataset_id"])),
            dataset_name=plain["dataset_name"],
            format=Format(plain["format"]),
            selection=Selection.from_plain(plain["filters"], plain["columns"]),
            options=plain["options"],
        )


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of an attempt as its worker last reported it; ``rows_total`` is ``None`` until it is known."""

    rows_written: int
    bytes_written: int
    rows_total: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportJob:
    """One export as the jobs table stores it.

    Attributes:
        owner_key: The owner's value in the owner column of the warehouse, fixed when the export was requested.
        attempt: How many attempts have been claimed so far.
        run_id: The Dagster run of the latest attempt.
        artifact: Set once completed; kept when the file has expired.
        replacement: The file that is replacing the artifact at this moment, while a completed export is made again.
        replacing: Whether somebody may be about to replace the file.
        progress: Of the attempt that is running.
        retry_of: The export of which this is a retry.
        request_id: Id of the HTTP request that asked for it, also in the access log, the run, and the worker's log.
    """

    id: JobId
    user_id: UserId
    owner_key: str
    status: Status
    request: ExportRequest
    attempt: int
    run_id: str | None
    artifact: Artifact | None
    failure: Failure | None
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None
    expires_at: datetime | None
    replacement: Artifact | None = None
    replacing: bool = False
    progress: Progress | None = None
    retry_of: JobId | None = None
    request_id: str | None = None

    def owner_scope(self) -> OwnerScope:
        """The rows this export may contain."""
        return OwnerScope(self.owner_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportFilter:
    """Which exports to list; a field without a value does not restrict."""

    statuses: tuple[Status, ...] = ()
    formats: tuple[Format, ...] = ()
    dataset_id: DatasetId | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class IdempotencyKey:
    """An Idempotency-Key and the request it was used with: the same key creates one export only.

    Attributes:
        key_digest: Digest of the caller's key; keys of different users are independent.
        request_digest: Digest of the request.
    """

    key_digest: bytes
    request_digest: bytes


@dataclass(frozen=True, slots=True)
class Claim:
    """The right of one worker process to produce one attempt of one export.

    ``token`` is random, because two processes can have the same Dagster run id.
    """

    job_id: JobId
    attempt: int
    token: str


@dataclass(frozen=True, slots=True)
class Launch:
    """A pending export that was leased to be launched, the number of the lease, and the id of its HTTP request."""

    job_id: JobId
    number: int
    request_id: str | None = field(default=None, compare=False)

    @property
    def run_key(self) -> str:
        """Dagster's deduplication key: one run for each lease."""
        return f"{self.job_id}:{self.number}"

    @classmethod
    def of(cls, run_key: str) -> "Launch":
        """The launch with this run key. Raises ValueError for any other text."""
        job_id, _, number = run_key.rpartition(":")
        return cls(JobId(UUID(job_id)), int(number))
