"""Conversion between the jobs table and the domain: the JSONB column ``metadata``, and rows to ExportJobs.

The names in ``metadata`` are part of the contract with other readers of the table; do not rename them.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from analytics_exports.database.models import Job
from analytics_exports.domain.access import UserId
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.dataset import DatasetId
from analytics_exports.domain.export import ExportJob, ExportRequest, Failure, JobId, Progress, Status
from analytics_exports.domain.formats import Format
from analytics_exports.domain.selection import EnumChoice, NumericRange, Selection

logger = logging.getLogger(__name__)


def request_to_json(request: ExportRequest) -> dict[str, Any]:
    """The request as it is stored in ``metadata``."""
    return {
        "dataset_id": str(request.dataset_id),
        "dataset_name": request.dataset_name,
        "format": request.format.value,
        "filters": selection_to_json(request.selection),
        "columns": request.selection.columns and list(request.selection.columns),
        "options": dict(request.options),
    }


def selection_to_json(selection: Selection) -> dict[str, Any]:
    """The filters that restrict, by the names of the HTTP contract; numbers as text, so that no digit is lost."""
    filters: dict[str, Any] = {
        "start_date": selection.start_date and selection.start_date.isoformat(),
        "end_date": selection.end_date and selection.end_date.isoformat(),
        "account_ids": None if selection.account_ids is None else list(selection.account_ids),
        "tag_ids": None if selection.tag_ids is None else list(selection.tag_ids),
        "enum_filters": {choice.name: list(choice.values) for choice in selection.enum_filters} or None,
        "numeric_filters": {item.name: _bounds(item) for item in selection.numeric_filters} or None,
    }
    return {name: value for name, value in filters.items() if value is not None}


def job_from_row(row: Job, *, past: bool = False, leased: bool = False) -> ExportJob:
    """The export in a row.

    Args:
        past: Whether its retention is over, even if the status does not say so yet.
        leased: Whether a claim on it is alive.
    """
    replacement = row.details.get("replacement")
    failure = None
    if row.error_code and row.error_message:
        failure = Failure(row.error_code, row.error_message, retryable=bool(row.retryable))
    return ExportJob(
        id=JobId(row.id),
        user_id=UserId(row.user_id),
        owner_key=row.owner_key,
        status=Status.EXPIRED if past and row.status == Status.COMPLETED else Status(row.status),
        request=_request(row.details),
        attempt=row.attempt,
        run_id=row.dagster_run_id,
        artifact=Artifact.from_plain(row.details) if "output_path" in row.details else None,
        replacement=None if replacement is None else Artifact.from_plain(replacement),
        replacing=leased and row.status == Status.COMPLETED,
        failure=failure,
        created_at=row.created_at,
        started_at=row.started_at,
        completed_at=row.completed_at,
        expires_at=row.expires_at,
        progress=_progress(row),
        retry_of=JobId(UUID(row.details["retry_of"])) if "retry_of" in row.details else None,
        request_id=row.details.get("request_id"),
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


def _progress(row: Job) -> Progress | None:
    reported = row.details.get("progress")
    if row.status != Status.RUNNING or not reported:
        return None
    return Progress(reported.get("rows_written", 0), reported.get("bytes_written", 0), reported.get("rows_total"))


def _request(details: Mapping[str, Any]) -> ExportRequest:
    return ExportRequest(
        dataset_id=DatasetId(UUID(details["dataset_id"])),
        dataset_name=details["dataset_name"],
        format=Format(details["format"]),
        selection=_selection(details["filters"], details["columns"]),
        options=details["options"],
    )


def _selection(filters: Mapping[str, Any], columns: list[str] | None) -> Selection:
    return Selection(
        start_date=_date(filters.get("start_date")),
        end_date=_date(filters.get("end_date")),
        account_ids=_tuple(filters.get("account_ids")),
        tag_ids=_tuple(filters.get("tag_ids")),
        enum_filters=tuple(EnumChoice(name, tuple(some)) for name, some in filters.get("enum_filters", {}).items()),
        numeric_filters=tuple(
            NumericRange(name, _decimal(bounds.get("min")), _decimal(bounds.get("max")))
            for name, bounds in filters.get("numeric_filters", {}).items()
        ),
        columns=_tuple(columns),
    )


def _bounds(item: NumericRange) -> dict[str, str]:
    bounds = {"min": item.minimum, "max": item.maximum}
    return {name: str(bound) for name, bound in bounds.items() if bound is not None}


def _date(value: str | None) -> date | None:
    return None if value is None else date.fromisoformat(value)


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
