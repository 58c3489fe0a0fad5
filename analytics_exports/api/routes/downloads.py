"""Downloads: the file of a completed export, for its owner and for holders of a download link."""

import base64
from contextlib import ExitStack
from http import HTTPStatus
from urllib.parse import quote
from uuid import UUID

from fastapi import Request, Response
from fastapi.responses import RedirectResponse

from analytics_exports.api.deps import ApiStateDep, CallerDep, ServicesDep
from analytics_exports.api.errors import PreconditionFailed
from analytics_exports.api.range_requests import if_match_fails, if_none_match_matches, parse_range, range_applies
from analytics_exports.api.state import ApiState
from analytics_exports.api.transfer import FileTransfer
from analytics_exports.contract import BASE_PATH
from analytics_exports.contract.lists import LinkOut
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.export import ExportJob, JobId
from analytics_exports.domain.formats import ending, media_type
from analytics_exports.services.downloads import OpenFile


def download_export(job_id: UUID, request: Request, state: ApiStateDep, caller: CallerDep) -> Response:
    """The file of a completed export."""
    with ExitStack() as held:
        held.enter_context(state.downloads.acquire(caller.user_id))
        found = state.services.downloads.open(caller, JobId(job_id))
        held.callback(found.file.close)
        return _answer(request, state, found, held)


def create_link(job_id: UUID, services: ServicesDep, caller: CallerDep) -> LinkOut:
    """A link that downloads the file without a token, for a few minutes."""
    link = services.downloads.create_link(caller, JobId(job_id))
    return LinkOut(url=f"{BASE_PATH}/downloads/{link.secret}", expires_at=link.expires_at)


def download_link(link: str, request: Request, state: ApiStateDep) -> Response:
    """The file that a download link leads to."""
    with ExitStack() as held:
        found = state.services.downloads.open_link(link)
        held.callback(found.file.close)
        held.enter_context(state.downloads.acquire(found.job.user_id))
        return _answer(request, state, found, held)


def _answer(request: Request, state: ApiState, found: OpenFile, held: ExitStack) -> Response:
    """The response that the conditional headers require, in the order of RFC 9110, section 13.2.2."""
    job, artifact = found.job, found.artifact
    etag = f'"{artifact.sha256}"'
    headers = _headers(job, artifact, etag)
    kind = media_type(job.request.format, job.request.options)
    settings, downloads = state.services.settings, state.services.downloads
    if if_match_fails(request.headers, etag):
        raise PreconditionFailed
    if if_none_match_matches(request.headers, etag):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    if request.method == "HEAD":
        return Response(headers={**headers, "Content-Length": str(artifact.file_size_bytes)}, media_type=kind)
    if settings.download_redirect and (address := downloads.store_address(found)):
        downloads.record(found, 0, artifact.file_size_bytes)
        return RedirectResponse(address, headers={"Cache-Control": "no-store", "ETag": etag})
    if settings.accel_redirect and not job.replacing:  # otherwise nginx could open another file
        downloads.record(found, 0, artifact.file_size_bytes)
        location = f"{settings.accel_redirect.rstrip('/')}/{artifact.output_path}"
        return Response(headers={**headers, "X-Accel-Redirect": location}, media_type=kind)
    parts = _parts(request, etag, artifact.file_size_bytes)
    first, count = (parts[0].start, sum(map(len, parts))) if parts else (0, artifact.file_size_bytes)
    downloads.record(found, first, count)
    return FileTransfer(
        found.file,
        artifact.file_size_bytes,
        parts,
        held=held.pop_all(),
        headers=headers,
        media_type=kind,
        readers=state.readers,
        stall_seconds=settings.download_stall_seconds,
    )


def _parts(request: Request, etag: str, size: int) -> list[range] | None:
    if not range_applies(request.headers, etag):
        return None
    return parse_range(request.headers.get("range"), size)


def _headers(job: ExportJob, artifact: Artifact, etag: str) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(artifact.sha256)).decode()
    return {
        "Accept-Ranges": "bytes",
        "Cache-Control": "private, no-store",
        "Content-Disposition": content_disposition(download_name(job)),
        "Content-Security-Policy": "sandbox; default-src 'none'",
        "ETag": etag,
        "Repr-Digest": f"sha-256=:{digest}:",
        "X-Content-Type-Options": "nosniff",
    }


def download_name(job: ExportJob) -> str:
    """A name for the file: the dataset, and the selected days or the day of the request."""
    request, selection = job.request, job.request.selection
    first, last = selection.start_date, selection.end_date
    if first and last:
        days = f"{first}_{last}"
    elif first or last:
        days = f"from_{first}" if first else f"until_{last}"
    else:
        days = f"{job.created_at:%Y-%m-%d}"
    return f"{request.dataset_name}_{days}.{ending(request.format, request.options)}"


def content_disposition(name: str) -> str:
    """A Content-Disposition header with the name in ASCII for old clients, and exactly (RFC 6266)."""
    plain = "".join(letter if letter.isascii() and (letter.isalnum() or letter in "-_.") else "_" for letter in name)
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
