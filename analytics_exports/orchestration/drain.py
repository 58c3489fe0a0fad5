"""The job that makes many exports in one run: what ``services.draining`` publishes, told to Dagster.

Each export that succeeded becomes a materialisation of its own partition, by Dagster's own batch writer; one that
failed or was cancelled becomes none, and the run goes on.
"""

import uuid
from collections.abc import Sequence

from dagster import AssetMaterialization, Config, OpExecutionContext, in_process_executor, job, op
from dagster._core.events import DagsterEvent, DagsterEventBatchMetadata
from pydantic import Field

from analytics_exports.bootstrap import application
from analytics_exports.domain.export import Launch
from analytics_exports.gateway import DRAIN_JOB, EXPORT_ASSET
from analytics_exports.orchestration.publications import publication
from analytics_exports.services.draining import Published


class Share(Config):
    """What a run begins with."""

    launches: list[str] = Field([], description="Run keys of the exports to make first; then whatever is pending.")


@op(description="Makes pending exports one after another, until there are none.")
def drain(context: OpExecutionContext, config: Share) -> None:
    """One run of the draining service."""
    app = application("worker")

    def record(published: Sequence[Published]) -> None:
        _materialise(context, published)

    with app.pending_signal() as signal:
        share = [Launch.of(run_key) for run_key in config.launches]
        count = app.draining.drain(context.run_id, share, signal, record)
    context.log.info("Made %s exports.", count)


@job(name=DRAIN_JOB, executor_def=in_process_executor, description="Makes many pending exports in one run.")
def drain_exports() -> None:
    """What the launch sensors start when many exports are pending."""
    drain()


def _materialise(context: OpExecutionContext, published: Sequence[Published]) -> None:
    """Log a materialisation for each export, stored together when the process allows batches."""
    batch, last = str(uuid.uuid4()), len(published) - 1
    for number, (production, artifact) in enumerate(published):
        materialisation = AssetMaterialization(
            EXPORT_ASSET, partition=str(production.job.id), metadata=publication(production, artifact)
        )
        step = context.get_step_execution_context()
        DagsterEvent.asset_materialization(step, materialisation, DagsterEventBatchMetadata(batch, number == last))
