"""Rows of the jobs table as ExportJobs.

The JSONB column ``metadata`` (``Job.details``) holds the plain forms of the request and of the artifact, side by side.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from uuid import UUID

from sqlalchemy import Row, bindparam, select

from analytics_exports.database.models import Job
from analytics_exports.domain.access import UserId
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.export import ExportJob, ExportRequest, Failure, JobId, Progress, Status

logger = logging.getLogger(__name__)

BY_ID = select(Job).where(Job.id == bindparam("of_job"))
"""A row that ``job_from_row`` takes."""


def job_from_row(row: Row[*tuple[Any, ...]], *, past: bool = False, leased: bool = False) -> ExportJob:
    """The export in a row with all columns of the jobs table.

    Args:
        past: Whether its retention is over, even if the status does not say so yet.
        leased: Whether a claim on it is alive.
    """
    details = row.metadata
    replacement = details.get("replacement")
    failure = None
    if row.error_code and row.error_message:
        failure = Failure(row.error_code, row.error_message, retryable=bool(row.retryable))
    return ExportJob(
        id=JobId(row.id),
        user_id=UserId(row.user_id),
        owner_key=row.owner_key,
        status=Status.EXPIRED if past and row.status == Status.COMPLETED else Status(row.status),
        request=ExportRequest.from_plain(details),
        attempt=row.attempt,
        run_id=row.dagster_run_id,
        artifact=Artifact.from_plain(details) if "output_path" in details else None,
        replacement=None if replacement is None else Artifact.from_plain(replacement),
        replacing=leased and row.status == Status.COMPLETED,
        failure=failure,
        created_at=row.created_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
        expires_at=row.expires_at,
        progress=_progress(row),
        retry_of=JobId(UUID(details["retry_of"])) if "retry_of" in details else None,
        request_id=details.get("request_id"),
    )


def skip_malformed(rows: Iterable[tuple[UUID, Callable[[], ExportJob]]]) -> Iterator[ExportJob]:
    """Decode several rows, leaving out malformed ones: a row that was changed by hand must not hide the others.

    Args:
        rows: The id of each export, and a function that decodes its row.
    """
    for job_id, read in rows:
        try:
            yield read()
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            logger.warning("The row of export %s cannot be understood (%s)", job_id, type(error).__qualname__)


def _progress(row: Row[*tuple[Any, ...]]) -> Progress | None:
    reported = row.metadata.get("progress")
    if row.status != Status.RUNNING or not reported:
        return None
    return Progress(reported.get("rows_written", 0), reported.get("bytes_written", 0), reported.get("rows_total"))
