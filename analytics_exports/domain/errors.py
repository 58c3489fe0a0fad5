"""The error tree. Every failure a user can meet is a class with a stable code and a sentence on the remedy.

    ExportError
    ├── Refused               the request cannot be served as it was made
    │   ├── InvalidRequest       a field is wrong, unknown, or does not apply to the dataset
    │   ├── InvalidToken         no token, or one that is not valid (any more)
    │   ├── InsufficientScope    a valid token that may not do this
    │   ├── DatasetNotFound
    │   ├── ExportNotFound       unknown, or somebody else's: the same answer
    │   ├── ExportNotReady       download before completion
    │   ├── ExportUnavailable    download of a failed or cancelled export
    │   ├── ExportExpired
    │   ├── ExportConflict       the export is in a state that does not allow this
    │   ├── IdempotencyKeyInUse, IdempotencyKeyReused    by a request in progress, for another request
    │   ├── InvalidLink          a download link that is altered, too old, or not its owner's any more
    │   ├── TokenNotFound
    │   ├── TooManyExports       unfinished ones of this user
    │   └── UserNotFound
    ├── Unavailable           not now: try again later, nothing was stored
    │   ├── CatalogueUnavailable
    │   ├── DatabaseUnavailable
    │   ├── IdentityUnavailable  whoever vouches for callers does not answer
    │   ├── OrchestratorUnavailable
    │   ├── StorageUnavailable
    │   ├── WarehouseBusy        a writer holds the warehouse
    │   └── WarehouseUnavailable missing or not readable
    └── ProductionFailed      an export run ended without a file
        ├── ClaimLost            another attempt owns the export, or it was cancelled
        ├── DatasetChanged       the dataset no longer fits the request
        ├── InternalFailure      anything that has no name of its own
        ├── IsolationViolation   a row of another owner was seen: nothing is published
        ├── OutOfMemory
        ├── RunCancelled         the Dagster run was cancelled
        ├── StorageFull
        ├── TimedOut
        ├── TooLarge
        ├── WarehouseChanged     overwritten in place while it was read
        └── WorkerLost           the worker ended without reporting a result

Names, codes and sentences; no HTTP statuses (``api.problems``) and no texts of libraries: those can carry values.
"""

from dataclasses import dataclass
from typing import ClassVar


class ExportError(Exception):
    """Base of all errors. The first line of a class's docstring is the sentence shown to users.

    Attributes:
        code: Stable machine-readable name, never reused for another meaning.
        retryable: Whether the same request can succeed later without a change.
    """

    code: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False

    def __init__(self, detail: str | None = None) -> None:
        """Make the error; ``detail`` replaces the class's sentence and must be safe to show to the user."""
        super().__init__(detail or self.sentence())

    @classmethod
    def sentence(cls) -> str:
        """The fixed sentence for this error: the first line of its docstring."""
        return (cls.__doc__ or cls.code).strip().splitlines()[0]


class Refused(ExportError):
    """The request cannot be served as it was made."""

    code = "refused"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One field that is wrong: a JSON pointer to it, and what to do about it. Never echoes the value."""

    pointer: str
    detail: str


class InvalidRequest(Refused):
    """The request has fields that are wrong; the list of errors names each one."""

    code = "invalid_request"

    def __init__(self, *problems: FieldProblem) -> None:
        super().__init__()
        self.problems = problems


class InvalidToken(Refused):
    """A valid bearer token is required."""

    code = "invalid_token"


class InsufficientScope(Refused):
    """The token does not carry the scope that this request needs."""

    code = "insufficient_scope"


class DatasetNotFound(Refused):
    """There is no such dataset; GET /datasets lists the ones on offer."""

    code = "dataset_not_found"


class ExportNotFound(Refused):
    """There is no such export among yours."""

    code = "export_not_found"


class ExportNotReady(Refused):
    """The export has no file yet; ask again after the time in Retry-After."""

    code = "export_not_ready"
    retryable = True


class ExportUnavailable(Refused):
    """The export ended without a file; its status says why, and a retry makes a new attempt."""

    code = "export_unavailable"


class ExportExpired(Refused):
    """The file of this export has expired and was removed; a retry makes it anew."""

    code = "export_expired"


class ExportConflict(Refused):
    """The export is in a state that does not allow this; its status says which."""

    code = "export_conflict"


class IdempotencyKeyInUse(Refused):
    """The first request with this Idempotency-Key is still being answered; send it again in a moment."""

    code = "idempotency_key_in_use"
    retryable = True


class IdempotencyKeyReused(Refused):
    """This Idempotency-Key came with another request before; take a new key for a new request."""

    code = "idempotency_key_reused"


class InvalidLink(Refused):
    """This download link is not valid, or not any more; its owner can make a new one."""

    code = "invalid_link"


class TokenNotFound(Refused):
    """There is no such token."""

    code = "token_not_found"


class TooManyExports(Refused):
    """You have as many unfinished exports as you may; wait for one to end, or cancel one."""

    code = "too_many_exports"
    retryable = True


class UserNotFound(Refused):
    """There is no such user."""

    code = "user_not_found"


class Unavailable(ExportError):
    """The service cannot do this right now; nothing was stored, so try again later."""

    code = "unavailable"
    retryable = True


class CatalogueUnavailable(Unavailable):
    """No dataset catalogue could be read yet; an operator finds the reason in GET /status."""

    code = "catalogue_unavailable"


class DatabaseUnavailable(Unavailable):
    """The job database does not answer; nothing was stored, so try again later."""

    code = "database_unavailable"


class IdentityUnavailable(Unavailable):
    """The keys that tokens are checked with cannot be had right now; try again later."""

    code = "identity_unavailable"


class OrchestratorUnavailable(Unavailable):
    """No Dagster daemon has been seen lately; exports wait until one is back."""

    code = "orchestrator_unavailable"


class StorageUnavailable(Unavailable):
    """The export storage is not usable; an operator finds the reason in GET /status."""

    code = "storage_unavailable"


class WarehouseBusy(Unavailable):
    """The warehouse is being rebuilt; try again in a moment."""

    code = "warehouse_busy"


class WarehouseUnavailable(Unavailable):
    """The warehouse cannot be read; an operator finds the reason in GET /status."""

    code = "warehouse_unavailable"


class ProductionFailed(ExportError):
    """The export run ended without a file."""

    code = "production_failed"


class ClaimLost(ProductionFailed):
    """Another attempt owns this export, or it was cancelled."""

    code = "claim_lost"


class DatasetChanged(ProductionFailed):
    """The dataset changed since the export was requested; request it again."""

    code = "dataset_changed"


class InternalFailure(ProductionFailed):
    """The export failed for an unexpected reason; operators find it in the run's log."""

    code = "internal_error"


class IsolationViolation(ProductionFailed):
    """The export was stopped by a safety check; nothing was published, and an error was logged for operators."""

    code = "isolation_violation"


class OutOfMemory(ProductionFailed):
    """This needs more memory than it may use; narrow the selection."""

    code = "out_of_memory"


class RunCancelled(ProductionFailed):
    """The run was cancelled by an operator; a retry makes a new attempt."""

    code = "run_cancelled"


class StorageFull(ProductionFailed):
    """The export storage is full; try again later."""

    code = "storage_full"
    retryable = True


class TimedOut(ProductionFailed):
    """This took longer than it may; narrow the selection."""

    code = "timed_out"


class TooLarge(ProductionFailed):
    """The file is larger than an export may be; narrow the selection."""

    code = "too_large"


class WarehouseChanged(ProductionFailed):
    """The warehouse was overwritten while it was read; the export is made again."""

    code = "warehouse_changed"
    retryable = True


class WorkerLost(ProductionFailed):
    """The worker stopped without a result, as often as attempts are allowed."""

    code = "worker_lost"
    retryable = True
