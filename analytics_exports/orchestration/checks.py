"""Asset checks: what operators should know of an asset, shown beside it.

A check reads and says; it changes nothing and blocks nothing.
"""

from dagster import AssetCheckResult, AssetCheckSeverity, MetadataValue, asset_check

from analytics_exports.bootstrap import application
from analytics_exports.orchestration.assets import warehouse


@asset_check(asset=warehouse, description="Every model that is marked as a dataset can safely be offered as one.")
def datasets_are_offered() -> AssetCheckResult:
    """Fails, as a warning, when the catalogue rejected a model; its metadata says which, and why."""
    state = application("worker").catalogue.state()
    return AssetCheckResult(
        passed=not state.rejected and state.stale is None,
        severity=AssetCheckSeverity.WARN,
        metadata={
            "offered": MetadataValue.int(len(state.datasets)),
            "rejected": MetadataValue.json({rejection.name: rejection.reason for rejection in state.rejected}),
            "manifest": MetadataValue.text(state.stale or "current"),
        },
    )
