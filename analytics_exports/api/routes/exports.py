"""Exports: ask for one, follow it, cancel it."""

from http import HTTPStatus
from uuid import UUID

from fastapi import APIRouter, Response

from analytics_exports.api.deps import ExportCanceller, ExportCreator, ExportReader, Services
from analytics_exports.contract import BASE_PATH
from analytics_exports.contract.requests import ExportCreate
from analytics_exports.contract.responses import ExportAccepted, ExportOut
from analytics_exports.domain.dataset import DatasetId
from analytics_exports.domain.export import LIVE, JobId

router = APIRouter(prefix="/exports", tags=["exports"])

POLL_SECONDS = "1"
"""How long a caller should wait before asking again."""


@router.post("", status_code=HTTPStatus.ACCEPTED)
def create_export(body: ExportCreate, services: Services, caller: ExportCreator, response: Response) -> ExportAccepted:
    """Ask for an export; Location is where to follow it."""
    job = services.requesting.submit(caller, DatasetId(body.dataset_id), body.format, body.selection(), options={})
    response.headers["Location"] = f"{BASE_PATH}/exports/{job.id}"
    response.headers["Retry-After"] = POLL_SECONDS
    return ExportAccepted(job_id=job.id, status=job.status)


@router.get("/{job_id}")
def get_export(job_id: UUID, services: Services, caller: ExportReader, response: Response) -> ExportOut:
    """Where an export stands. Always 200 for one of your own, also when it failed."""
    job = services.requesting.find(caller, JobId(job_id))
    if job.status in LIVE:
        response.headers["Retry-After"] = POLL_SECONDS
    return ExportOut.of(job)


@router.delete("/{job_id}", status_code=HTTPStatus.ACCEPTED)
def cancel_export(job_id: UUID, services: Services, caller: ExportCanceller) -> ExportOut:
    """Cancel a pending or running export."""
    return ExportOut.of(services.requesting.cancel(caller, JobId(job_id)))
