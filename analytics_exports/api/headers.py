"""Headers of requests: Idempotency-Key, and Prefer (RFC 7240); and of responses: Retry-After, and Link (RFC 8288)."""

import re
import time
from datetime import UTC, datetime
from functools import partial
from typing import Annotated
from urllib.parse import parse_qsl, urlencode

from fastapi import Depends, Header, Request
from starlette.concurrency import run_in_threadpool

from analytics_exports.api.deps import state_of
from analytics_exports.api.errors import InvalidIdempotencyKey
from analytics_exports.bootstrap.api import ApiServices
from analytics_exports.domain.access import Principal
from analytics_exports.domain.export import LIVE, ExportJob, JobId
from analytics_exports.services.export_reader import ExportState

MAX_KEY_CHARACTERS = 255
KEY_SCHEMA = {"minLength": 1, "maxLength": MAX_KEY_CHARACTERS, "pattern": "^[ -~]+$"}
KEY_DESCRIPTION = "With the same key a request makes one export, however often it is sent."

WAIT = re.compile(r'(?:^|[\s,;])wait\s*=\s*"?([0-9]{1,9})"?(?=$|[\s,;])', re.IGNORECASE)

MAX_RETRY_AFTER = 30
AGE_PER_SECOND = 5
"""After so many seconds of waiting for an export, clients should wait one second before they ask again."""


async def idempotency_key_header(
    request: Request,
    idempotency_key: Annotated[str | None, Header(description=KEY_DESCRIPTION, json_schema_extra=KEY_SCHEMA)] = None,
) -> str | None:
    """The Idempotency-Key of the request. Raises InvalidIdempotencyKey."""
    if idempotency_key is None:
        return None
    plain = 0 < len(idempotency_key) <= MAX_KEY_CHARACTERS and idempotency_key.isascii()
    if not (plain and idempotency_key.isprintable()) or len(request.headers.getlist("idempotency-key")) > 1:
        raise InvalidIdempotencyKey
    return idempotency_key


async def wait_preference(
    request: Request,
    prefer: Annotated[  # noqa: ARG001 - documented here; a request may have several, of which this is one
        str | None, Header(description="wait=N: answer when the export has ended, after N seconds at the latest.")
    ] = None,
) -> int | None:
    """How long to delay the response, in seconds, within limits; ``None`` without ``Prefer: wait``."""
    found = WAIT.search(",".join(request.headers.getlist("prefer")))
    return min(int(found[1]), state_of(request).services.settings.max_wait_seconds) if found else None


IdempotencyKeyDep = Annotated[str | None, Depends(idempotency_key_header)]
WaitDep = Annotated[int | None, Depends(wait_preference)]


def retry_after(job: ExportJob) -> str:
    """Seconds to wait before asking again; proportional to the age of the export."""
    age = (datetime.now(UTC) - job.created_at).total_seconds()
    return str(max(1, min(MAX_RETRY_AFTER, int(age / AGE_PER_SECOND))))


async def wait_for_export(services: ApiServices, caller: Principal, job_id: JobId, seconds: int | None) -> ExportState:
    """The state of an export as soon as it has ended, after ``seconds`` at the latest."""
    read = partial(run_in_threadpool, services.export_reader.state, caller, job_id)
    if not seconds:
        return await read()
    deadline = time.monotonic() + seconds
    with services.change_hub.subscribe(job_id) as subscription:
        export = await read()
        while export.job.status in LIVE and (left := deadline - time.monotonic()) > 0:
            if await subscription.wait(left):
                export = await read()
    return export


def next_link(request: Request, cursor: str | None) -> dict[str, str]:
    """The Link header for the next page of a list; none on the last page."""
    if cursor is None:
        return {}
    kept = [(name, value) for name, value in parse_qsl(request.url.query) if name not in ("cursor", "offset")]
    return {"Link": f'<{request.url.path}?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'}
