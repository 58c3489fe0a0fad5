"""Asset checks: facts about an asset that operators should know, shown beside it in Dagster.

A check only reads and reports; it changes nothing and blocks nothing.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dagster import (
    AssetCheckExecutionContext,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    MetadataValue,
    asset_check,
)

from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.export import ExportJob
from analytics_exports.gateway import EXPORT_ASSET
from analytics_exports.services.artifact_inspector import OWNER_ONLY, READABLE, ROW_COUNT, ArtifactInspector

if TYPE_CHECKING:
    from analytics_exports.bootstrap.worker import WorkerServices

EXPORT_CHECKS = [
    AssetCheckSpec(name, asset=EXPORT_ASSET, description=description)
    for name, description in {
        ROW_COUNT: "The file has as many rows as the warehouse counts for the same owner and filters.",
        READABLE: "The artifact store has the file, with the size and checksum that were noted.",
        OWNER_ONLY: "Every row belongs to the owner of the export.",
    }.items()
]
"""Run for each export that has a run of its own. Exports of a batch are only verified while they are written."""


def export_results(inspector: ArtifactInspector, job: ExportJob, artifact: Artifact) -> Iterator[AssetCheckResult]:
    """Check a published export; yields one result for each check."""
    for name, verdict in inspector.check(job, artifact).items():
        yield AssetCheckResult(
            passed=verdict.passed, check_name=name, metadata={"export": str(job.id), **verdict.facts}
        )


@asset_check(
    asset="warehouse",
    description="Every model that is marked as a dataset can safely be offered as one.",
    required_resource_keys={"worker"},
)
def datasets_are_offered(context: AssetCheckExecutionContext) -> AssetCheckResult:
    """Fail, as a warning, when the catalogue rejected a model; the metadata names the models and the reasons."""
    worker: WorkerServices = context.resources.worker
    state = worker.catalogue.state()
    return AssetCheckResult(
        passed=not state.rejected and state.stale is None,
        severity=AssetCheckSeverity.WARN,
        metadata={
            "offered": MetadataValue.int(len(state.datasets)),
            "rejected": MetadataValue.json({rejection.name: rejection.reason for rejection in state.rejected}),
            "manifest": MetadataValue.text(state.stale or "current"),
        },
    )
