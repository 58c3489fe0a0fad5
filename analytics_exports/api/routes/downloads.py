"""Downloads: the finished file, to its owner.

The file is open before the first header goes out, so that its removal cannot break a download that has begun, and its
length and checksum are known, so that a broken transfer cannot look complete.
"""

import base64
import os
from collections.abc import Iterator
from typing import BinaryIO
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.background import BackgroundTask

from analytics_exports.api.deps import ExportDownloader, Services
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.errors import ExportNotReady
from analytics_exports.domain.export import ExportJob, JobId
from analytics_exports.domain.formats import FORMATS

router = APIRouter(prefix="/exports", tags=["exports"])

CHUNK = 256 * 1024


@router.api_route("/{job_id}/download", methods=["GET", "HEAD"], response_class=StreamingResponse)
def download(job_id: UUID, request: Request, services: Services, caller: ExportDownloader) -> StreamingResponse:
    """The file of a completed export."""
    job, artifact, file = services.requesting.open(caller, JobId(job_id))
    if os.fstat(file.fileno()).st_size != artifact.file_size_bytes:
        file.close()
        raise ExportNotReady
    body = iter(()) if request.method == "HEAD" else _chunks(file)
    facts = FORMATS[job.request.format]
    return StreamingResponse(
        body, media_type=facts.media_type, headers=_headers(job, artifact), background=BackgroundTask(file.close)
    )


def _headers(job: ExportJob, artifact: Artifact) -> dict[str, str]:
    digest = base64.b64encode(bytes.fromhex(artifact.sha256)).decode()
    return {
        "Content-Length": str(artifact.file_size_bytes),
        "Content-Disposition": f'attachment; filename="{job.request.dataset_name}_{job.id}.{job.request.format}"',
        "ETag": f'"{artifact.sha256}"',
        "Repr-Digest": f"sha-256=:{digest}:",
        "Cache-Control": "private, no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK):
        yield chunk
