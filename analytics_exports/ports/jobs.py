"""The jobs table, and what its changes announce."""

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
    JobId,
    Launch,
    Once,
)


class JobStore(Protocol):
    """The jobs table. Each method is one transaction; each transition one compare-and-set on the database's clock."""

    def create(
        self,
        principal: Principal,
        request: ExportRequest,
        *,
        once: Once | None = None,
        most: int | None = None,
        retry_of: JobId | None = None,
        request_id: str | None = None,
    ) -> ExportJob:
        """Store a new pending export, or return the one that was stored ``once`` before.

        Raises:
            IdempotencyKeyInUse: the first request with the key is being answered at this moment.
            IdempotencyKeyReused: the key came with another request before.
            TooManyExports: the user has ``most`` unfinished ones.
        """

    def repeated(self, user_id: UserId, once: Once) -> ExportJob | None:
        """The export that was stored ``once`` before. Raises IdempotencyKeyReused as ``create``."""

    def load(self, job_id: JobId) -> ExportJob | None:
        """An export whoever owns it: for workers and operators only."""

    def find(self, user_id: UserId, job_id: JobId) -> ExportJob | None:
        """An export of this user; ``None`` when it is unknown or somebody else's, without telling which.

        A completed export past its time is expired here at once, before anybody made that transition.
        """

    def list_own(
        self, user_id: UserId, which: ExportFilter, limit: int, after: tuple[datetime, JobId] | None = None
    ) -> Sequence[ExportJob]:
        """Exports of this user, newest first; those after the one that was created then and has this id."""

    def ahead(self, job_id: JobId) -> int:
        """How many pending exports of anybody's come before this one, as the queue is now."""

    def due(self, limit: int, hold: timedelta) -> Sequence[Launch]:
        """Exports to launch now. Each is held for ``hold``: nobody else gets it meanwhile.

        Users take turns by what they have begun: the first export of somebody who has none in the queue comes before
        the third of anybody else that waits.
        """

    def release(self, launches: Collection[Launch]) -> None:
        """Give back what ``due`` handed out and nobody will claim; it is due again at once, with its turn."""

    def begun_since(self, age: timedelta) -> bool:
        """Whether an export is running that was begun no longer than ``age`` ago."""

    def claim(self, job_id: JobId, run_id: str, lease: timedelta, *, remake: bool = False) -> tuple[ExportJob, Claim]:
        """Take the next attempt: pending becomes running.

        Args:
            remake: Whether a completed export may be claimed too, to be made again.

        Raises:
            ClaimLost: the export is in no state to be produced, or another worker has it.
            InternalFailure: what was stored of it cannot be understood; it has failed now.
        """

    def renew(self, claim: Claim, lease: timedelta, progress: Mapping[str, object]) -> bool:
        """Prolong the lease and store progress; ``False`` when the claim is lost and work must stop."""

    def publishing(self, claim: Claim, replacement: Artifact | None = None) -> AbstractContextManager[None]:
        """Hold the row while a file becomes visible.

        Args:
            replacement: The file, when the export has one already: its facts are noted before the file is visible, and
                take the place of the other's in the moment after.

        Raises:
            ClaimLost: the claim is not valid any more.
        """

    def complete(self, claim: Claim, artifact: Artifact, retention: timedelta) -> bool:
        """Running becomes completed; ``False`` when the claim is not the current one. Safe to repeat."""

    def give_up(self, claim: Claim, failure: Failure, max_attempts: int) -> bool:
        """End an attempt: back to pending when another can help, failed otherwise.

        Another can when the failure is retryable, and fewer than ``max_attempts`` ended by other than transient causes;
        or, for a transient cause, there were fewer attempts, or the first failed less than ``TRANSIENT_FOR`` ago. The
        waits between attempts grow.
        """

    def run_ended(self, run_id: str, failure: Failure, max_attempts: int) -> Collection[JobId]:
        """The same for whatever a run that ended without a result still holds; returns which exports."""

    def overdue(self, limit: int) -> Sequence[Claim]:
        """Claims on running exports whose lease is over."""

    def cancel(self, user_id: UserId, job_id: JobId) -> ExportJob | None:
        """Pending or running becomes cancelled; returns the export as it then is, ``None`` if not the user's."""

    def discard(self, user_id: UserId, job_id: JobId) -> ExportJob | None:
        """Completed becomes expired; returns the export as it then is, ``None`` if not the user's."""

    def downloaded(self, job_id: JobId, first_byte: int, byte_count: int, *, by_link: bool) -> None:
        """Note that the transfer of so many bytes of the file begins; ``by_link`` when nobody showed a token."""

    def expire(self, limit: int) -> Sequence[ExportJob]:
        """Completed exports past their time become expired; returns every expired export whose file is still to go."""

    def file_removed(self, job_ids: Collection[JobId]) -> None:
        """Note that the files of these expired exports are gone."""

    def forget_keys(self, age: timedelta) -> int:
        """Forget with what key exports older than ``age`` were asked for; returns of how many."""

    def cursor(self, name: str) -> int:
        """The stored position of a reader, 0 at first."""

    def advance(self, name: str, position: int) -> None:
        """Store the position of a reader; it never goes back."""

    def skip(self, position: int, reason: str) -> None:
        """Note that the event at this position could not be read back; it is tried again after a growing wait."""

    def skipped(self, limit: int) -> Sequence[int]:
        """Positions of skipped events that are to be tried again now."""

    def count_skipped(self) -> int:
        """How many events are skipped now."""

    def unskip(self, position: int) -> None:
        """Note that a skipped event was read back after all, or is there no more."""


class Signal(Protocol):
    """Something that another process can announce."""

    def wait(self, seconds: float) -> bool:
        """Wait until it is announced, at most so long; whether it was."""

    def listeners(self) -> int:
        """How many wait for the same announcement now, this one included."""

    def sit(self, seats: int) -> bool:
        """Take one of so many seats among all who wait, for as long as one listens; whether one was free."""


class Announcements(Protocol):
    """What other processes announce, each with a text."""

    def heard(self, seconds: float) -> Collection[str]:
        """Wait for announcements, at most so long; the texts of those that came."""
