"""How callers want it done: once (Idempotency-Key), now (Prefer, RFC 7240), and when they should ask again."""

import re
import time
from datetime import UTC, datetime
from functools import partial
from typing import Annotated

from fastapi import Depends, Header, Request
from starlette.concurrency import run_in_threadpool

from analytics_exports.api.deps import Entrance
from analytics_exports.api.errors import InvalidIdempotencyKey
from analytics_exports.bootstrap import Application
from analytics_exports.domain.access import Principal
from analytics_exports.domain.export import LIVE, ExportJob, JobId
from analytics_exports.services.following import Standing

MOST_KEY_CHARACTERS = 255
KEY_SCHEMA = {"minLength": 1, "maxLength": MOST_KEY_CHARACTERS, "pattern": "^[ -~]+$"}
ONCE = "With the same key a request makes one export, however often it is sent."

WAIT = re.compile(r'(?:^|[\s,;])wait\s*=\s*"?([0-9]{1,9})"?(?=$|[\s,;])', re.IGNORECASE)

LONGEST_PAUSE = 30
AGE_FOR_PAUSE = 5
"""Someone who waits for an export of this many seconds should ask again after one."""


async def given_key(
    request: Request,
    idempotency_key: Annotated[str | None, Header(description=ONCE, json_schema_extra=KEY_SCHEMA)] = None,
) -> str | None:
    """The caller's Idempotency-Key. Raises InvalidIdempotencyKey."""
    if idempotency_key is None:
        return None
    plain = 0 < len(idempotency_key) <= MOST_KEY_CHARACTERS and idempotency_key.isascii()
    if not (plain and idempotency_key.isprintable()) or len(request.headers.getlist("idempotency-key")) > 1:
        raise InvalidIdempotencyKey
    return idempotency_key


async def preferred_wait(
    request: Request,
    gate: Entrance,
    prefer: Annotated[  # noqa: ARG001 - documented here; a request may have several, of which this is one
        str | None, Header(description="wait=N: answer when the export has ended, after N seconds at the latest.")
    ] = None,
) -> int | None:
    """For how many seconds the caller wants the answer held back, within limits; ``None`` if they said nothing."""
    found = WAIT.search(",".join(request.headers.getlist("prefer")))
    return min(int(found[1]), gate.services.settings.max_wait_seconds) if found else None


Key = Annotated[str | None, Depends(given_key)]
Wait = Annotated[int | None, Depends(preferred_wait)]


def retry_after(job: ExportJob) -> str:
    """Seconds to wait before asking again: the longer the export takes, the longer."""
    age = (datetime.now(UTC) - job.created_at).total_seconds()
    return str(max(1, min(LONGEST_PAUSE, int(age / AGE_FOR_PAUSE))))


async def awaited(services: Application, caller: Principal, job_id: JobId, seconds: int | None) -> Standing:
    """Where an export stands, as soon as it has ended, and after so many seconds at the latest."""
    look = partial(run_in_threadpool, services.following.standing, caller, job_id)
    if not seconds:
        return await look()
    deadline = time.monotonic() + seconds
    with services.waiting.watching(job_id) as watch:
        standing = await look()
        while standing.job.status in LIVE and (left := deadline - time.monotonic()) > 0:
            if await watch.changed(left):
                standing = await look()
    return standing
