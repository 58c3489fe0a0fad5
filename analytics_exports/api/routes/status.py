"""Status: whether the service can do its work, for operators and for whoever decides where to send requests."""

from fastapi import APIRouter

from analytics_exports.api.deps import DatasetReader, Services
from analytics_exports.contract.responses import ConditionOut, RejectionOut, StatusOut

router = APIRouter(tags=["status"])


@router.get("/status")
def get_status(services: Services, _: DatasetReader) -> StatusOut:
    """Each part, ok or why not, and how old the data is. Always 200: the answer is in the body."""
    report = services.health.report()
    return StatusOut(
        ok=report.ok,
        parts={part.name: ConditionOut(ok=part.problem is None, detail=part.problem) for part in report.conditions},
        data_as_of=report.data_as_of,
        rejected=[RejectionOut(name=item.name, reason=item.reason) for item in report.rejected],
    )
