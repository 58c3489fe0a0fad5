"""Making one export: claim it, read the warehouse, write the file, publish it.

A Production is one attempt, from a claim to a published file. It is split as Dagster splits it: ``Producer.begin`` is
called by the asset, ``Production.publish`` by the IO manager. Completing the export is not done here but by the event
log projection, from the materialisation that carries the claim.
"""

import logging
import time
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, NoReturn

from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.errors import ClaimLost, DatasetChanged, ExportError, InternalFailure
from analytics_exports.domain.export import Claim, ExportJob, Failure, JobId, Status
from analytics_exports.domain.formats import ending
from analytics_exports.ports import ArtifactStore, Catalogue, Scan, Warehouse, WorkerJobs
from analytics_exports.services.heartbeat import Heartbeat

if TYPE_CHECKING:
    import polars as pl


logger = logging.getLogger(__name__)


def artifact_key(job: ExportJob) -> str:
    """The key of an export's file in the artifact store."""
    return f"exports/{job.user_id}/{job.id}.{ending(job.request.format, job.request.options)}"


@dataclass(frozen=True, slots=True)
class Producer:
    """Begins attempts.

    Attributes:
        lease: How long a claim lasts without a heartbeat.
        max_attempts: Attempts an export gets before it fails for good.
    """

    catalogue: Catalogue
    warehouse: Warehouse
    jobs: WorkerJobs
    artifacts: ArtifactStore
    lease: timedelta
    max_attempts: int

    def begin(self, job_id: JobId, run_id: str, *, remake: bool = False) -> "Production":
        """Claim an export for this run and open the warehouse for it.

        Args:
            remake: Whether a completed export may be made again.

        Raises:
            ClaimLost: the export cannot be produced in its current state, or another worker has it.
            ExportError: why this attempt failed; it is recorded in the job row.
        """
        job, claim = self.jobs.claim(job_id, run_id, self.lease, remake=remake)
        production = Production(self, job, claim)
        try:
            production.open()
        except Exception as error:  # noqa: BLE001 - any error ends the attempt and is classified
            production.fail(error)
        return production


class Production:
    """One attempt at one export. Ends with ``publish`` or ``fail``; an interrupted one is dropped with ``close``.

    Attributes:
        artifact: The published file; ``None`` before.
        seconds: Time from the claim to the published file; 0 before.
    """

    def __init__(self, services: Producer, job: ExportJob, claim: Claim) -> None:
        """Hold ``claim`` on ``job``; nothing is opened yet."""
        self.job = job
        self.claim = claim
        self.artifact: Artifact | None = None
        self.seconds = 0.0
        self._services = services
        self._begun = time.monotonic()
        self._held = ExitStack()
        self._scan: Scan | None = None
        self._preview: pl.DataFrame | None = None
        self._heartbeat = Heartbeat(services.jobs, claim, services.lease)

    @property
    def scan(self) -> Scan:
        """The open scan of the warehouse. Raises ClaimLost before ``open`` and after ``close``."""
        if self._scan is None:
            raise ClaimLost
        return self._scan

    @property
    def preview(self) -> "pl.DataFrame | None":
        """The first few rows of a published file; ``None`` before."""
        return self._preview

    def open(self) -> None:
        """Start the heartbeat and open the scan."""
        services, request = self._services, self.job.request
        self._held.enter_context(self._heartbeat)
        dataset = services.catalogue.state().datasets.get(request.dataset_id)
        if dataset is None:
            raise DatasetChanged
        rows = dataset, self.job.owner_scope(), request.selection
        scan = services.warehouse.scan(*rows)
        self._scan = self._held.enter_context(scan)
        self._heartbeat.stop_when_lost(self._scan.interrupt)
        self._heartbeat.count_with(lambda begun: services.warehouse.count(*rows, begun))

    def publish(self) -> Artifact:
        """Write the rows to a file, verify it, and make it visible under the export's key.

        Raises:
            ExportError: why this attempt failed; it is recorded in the job row.
        """
        try:
            self.artifact = artifact = self._write()
        except Exception as error:  # noqa: BLE001 - any error ends the attempt and is classified
            self.fail(error)
        finally:
            self.close()
        return artifact

    def close(self) -> None:
        """Stop the heartbeat and close the scan. The export's status is left to the event log projection."""
        self._held.close()
        self._scan = None

    def fail(self, error: Exception) -> NoReturn:
        """End the attempt with an error.

        Raises:
            ExportError: the reason, without the text and the cause of ``error``, which may contain values of other
                users.
        """
        reason = self._reason(error)
        self.close()
        _log(self.job, self.claim, reason, error)
        if not isinstance(reason, ClaimLost):
            self._services.jobs.fail_attempt(self.claim, Failure.of(type(reason)), self._services.max_attempts)
        raise reason from None

    def _write(self) -> Artifact:
        request, key = self.job.request, artifact_key(self.job)
        with self._services.artifacts.stage(key, self.claim.attempt) as staging:
            artifact = staging.write(
                self.scan,
                request.format,
                request.options,
                self._heartbeat.progress,
                columns=self.scan.columns,
                facts=self._facts(),
                data_as_of=self.scan.data_as_of,
            )
            self.scan.verify()
            replacement = artifact if self.job.status is Status.COMPLETED else None
            with self._services.jobs.publishing(self.claim, replacement):
                staging.publish()
        self._preview = self.scan.preview
        self.seconds = time.monotonic() - self._begun
        logger.info("export published", extra={**_names(self.job, self.claim), "seconds": round(self.seconds, 3)})
        return artifact

    def _facts(self) -> dict[str, str]:
        """Facts about the export for the file's metadata, in formats that have any."""
        facts = {
            "export_id": str(self.job.id),
            "dataset": self.job.request.dataset_name,
            "data_as_of": self.scan.data_as_of.isoformat(),
            "dbt_invocation_id": self._services.catalogue.state().invocation_id,
        }
        return facts | ({"request_id": self.job.request_id} if self.job.request_id else {})

    def _reason(self, error: Exception) -> ExportError:
        """The error to report: a lost claim explains an interrupted read, and the scan knows why a read failed."""
        if self._heartbeat.lost:
            return ClaimLost()
        try:
            if self._scan is not None:
                self._scan.verify()
        except ExportError as found:
            return found
        return error if isinstance(error, ExportError) else InternalFailure()


def _names(job: ExportJob, claim: Claim) -> dict[str, object]:
    """The fields by which operators find a log line."""
    return {"job_id": str(job.id), "attempt": claim.attempt, "run_id": job.run_id, "request_id": job.request_id}


def _log(job: ExportJob, claim: Claim, reason: ExportError, error: Exception) -> None:
    """Log what happened and where in the code, without the error's text."""
    where = [f"{Path(frame.filename).name}:{frame.lineno}" for frame in extract_tb(error.__traceback__)]
    logger.warning(
        "Attempt %s of export %s ended: %s (%s at %s)",
        claim.attempt,
        claim.job_id,
        reason.code,
        type(error).__qualname__,
        " > ".join(where[-4:]),
        extra={**_names(job, claim), "code": reason.code},
    )
