"""Health and readiness, for operators and probes, and the documentation of error codes."""

from http import HTTPStatus

from fastapi import Response

from analytics_exports.api.deps import ServicesDep
from analytics_exports.api.errors import RouteNotFound
from analytics_exports.api.problems import all_errors, status_of, title_of
from analytics_exports.api.route_docs import example
from analytics_exports.contract.problems import ErrorCode
from analytics_exports.contract.responses import ConditionOut, ReadinessOut, RejectionOut, StatusOut


def get_status(services: ServicesDep) -> StatusOut:
    """Each part, ok or why not, and how old the data is. Always 200: the answer is in the body."""
    report = services.health.report()
    return StatusOut(
        ok=report.ok,
        parts={part.name: ConditionOut(ok=part.problem is None, detail=part.problem) for part in report.conditions},
        data_as_of=report.data_as_of,
        rejected=[RejectionOut(name=item.name, reason=item.reason) for item in report.rejected],
    )


async def get_liveness() -> Response:
    """Whether this process answers at all."""
    return Response(status_code=HTTPStatus.NO_CONTENT)


def get_readiness(services: ServicesDep, response: Response) -> ReadinessOut:
    """Whether requests for exports should be sent to this process: 200 if so, 503 if not."""
    parts = {part.name: part.problem is None for part in services.health.ready()}
    if not all(parts.values()):
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return ReadinessOut(ready=all(parts.values()), parts=parts)


async def get_error(code: str) -> ErrorCode:
    """What an error code means and what to do about it."""
    error = next((found for found in all_errors() if found.code == code), None)
    if error is None:
        raise RouteNotFound
    return ErrorCode(
        code=error.code,
        status=status_of(error),
        title=title_of(error),
        detail=error.sentence(),
        retryable=error.retryable,
        example=example(error),
    )
