"""Exports: create, read, list, cancel, retry, estimate."""

import hashlib
from functools import partial
from http import HTTPStatus
from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response
from starlette.concurrency import run_in_threadpool

from analytics_exports.api.deps import ApiStateDep, CallerDep, ServicesDep
from analytics_exports.api.headers import IdempotencyKeyDep, WaitDep, next_link, retry_after, wait_for_export
from analytics_exports.api.problems import request_id
from analytics_exports.api.range_requests import if_none_match_matches
from analytics_exports.api.state import ApiState
from analytics_exports.contract import BASE_PATH
from analytics_exports.contract.lists import ExportList
from analytics_exports.contract.requests import ExportCreate, ExportsQuery
from analytics_exports.contract.responses import EstimateOut, ExportAccepted, ExportOut
from analytics_exports.domain.access import Principal
from analytics_exports.domain.dataset import DatasetId
from analytics_exports.domain.export import LIVE, JobId, Status
from analytics_exports.services.export_commands import Submitted
from analytics_exports.services.export_reader import ExportState


async def create_export(
    body: ExportCreate,
    request: Request,
    state: ApiStateDep,
    *,
    caller: CallerDep,
    key: IdempotencyKeyDep,
    wait: WaitDep,
) -> Response:
    """Ask for an export; Location is where to follow it."""
    submit = partial(state.services.export_commands.submit, caller, DatasetId(body.dataset_id), body.format)
    submitted = await run_in_threadpool(
        partial(submit, body.selection(), body.options(), key=key, request_id=request_id(request))
    )
    return await _accepted(request, state, caller, submitted, wait)


async def retry_export(
    job_id: UUID, request: Request, state: ApiStateDep, *, caller: CallerDep, key: IdempotencyKeyDep, wait: WaitDep
) -> Response:
    """Ask once more for an export that failed, was cancelled or has expired: a new one with the same parameters."""
    retry = partial(state.services.export_commands.retry, caller, JobId(job_id), key=key)
    submitted = await run_in_threadpool(partial(retry, request_id=request_id(request)))
    return await _accepted(request, state, caller, submitted, wait)


async def estimate_export(body: ExportCreate, state: ApiStateDep, caller: CallerDep) -> EstimateOut:
    """How many rows an export would have, and about how many bytes; nothing is stored."""
    estimate = partial(state.services.row_queries.estimate, caller, DatasetId(body.dataset_id), body.selection())
    size = await state.run_query(partial(estimate, body.format, body.options()))
    return EstimateOut(row_count=size.row_count, file_size_bytes=size.file_size_bytes)


def list_exports(
    query: Annotated[ExportsQuery, Query()],
    request: Request,
    response: Response,
    services: ServicesDep,
    caller: CallerDep,
) -> ExportList:
    """Your exports, newest first."""
    listed = services.export_reader.list(caller, query.filter(), query.limit, query.cursor)
    response.headers.update(next_link(request, listed.next))
    return ExportList(exports=[ExportOut.of(job) for job in listed.jobs], next_cursor=listed.next)


async def get_export(job_id: UUID, request: Request, state: ApiStateDep, caller: CallerDep, wait: WaitDep) -> Response:
    """Where an export stands. Always 200 for one of your own, also when it failed."""
    export = await wait_for_export(state.services, caller, JobId(job_id), wait)
    return _status(request, export, _applied(wait))


def remove_export(job_id: UUID, services: ServicesDep, caller: CallerDep) -> Response:
    """Cancel an unfinished export; of a finished one, remove the file. Its status stays."""
    job = services.export_commands.remove(caller, JobId(job_id))
    if job.status is Status.CANCELLED:
        return _json(ExportOut.of(job), HTTPStatus.ACCEPTED, {})
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _accepted(
    request: Request, state: ApiState, caller: Principal, submitted: Submitted, wait: int | None
) -> Response:
    """202 for an unfinished export; 200 with its status when it ended while the client waited."""
    job = submitted.job
    request.state.analytics_job_id = str(job.id)  # for the log
    headers = {"Location": f"{BASE_PATH}/exports/{job.id}", **_applied(wait)}
    if submitted.replayed:
        headers["Idempotency-Replayed"] = "true"
    if wait:
        export = await wait_for_export(state.services, caller, job.id, wait)
        if export.job.status not in LIVE:
            return _status(request, export, {**headers, "Content-Location": headers["Location"]})
    headers["Retry-After"] = retry_after(job)
    return _json(ExportAccepted(job_id=job.id, status=job.status), HTTPStatus.ACCEPTED, headers)


def _status(request: Request, export: ExportState, headers: dict[str, str]) -> Response:
    body = ExportOut.of(export.job, export.queue_position).model_dump_json().encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers |= {"ETag": etag, "Cache-Control": "private, no-cache"}
    if export.job.status in LIVE:
        headers["Retry-After"] = retry_after(export.job)
    if request.method == "GET" and if_none_match_matches(request.headers, etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return Response(body, HTTPStatus.OK, headers=headers, media_type="application/json")


def _json(body: ExportOut | ExportAccepted, status: HTTPStatus, headers: dict[str, str]) -> Response:
    return Response(body.model_dump_json(), status, headers=headers, media_type="application/json")


def _applied(wait: int | None) -> dict[str, str]:
    return {} if wait is None else {"Preference-Applied": f"wait={wait}"}
