"""The job that makes many exports in one run (see ``services.batch_production``).

Each export that succeeded is logged as a materialisation of its own partition, with Dagster's batch writer. One that
failed or was cancelled is not, and the run continues with the next.
"""

import logging
import os
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dagster import (
    AssetMaterialization,
    Config,
    DagsterEvent,
    DagsterEventType,
    OpExecutionContext,
    in_process_executor,
    job,
    op,
)
from dagster._core.events import DagsterEventBatchMetadata, StepMaterializationData
from pydantic import Field

from analytics_exports.domain.export import Launch
from analytics_exports.gateway import BATCH_JOB, EXPORT_ASSET
from analytics_exports.orchestration.materialisation_metadata import materialisation_metadata
from analytics_exports.services.batch_production import Published

if TYPE_CHECKING:
    from analytics_exports.bootstrap.worker import WorkerServices


class BatchConfig(Config):
    """Configuration of a batch run."""

    run_keys: list[str] = Field([], description="Run keys of the exports to make first; then whatever is pending.")


@op(description="Makes pending exports one after another, until there are none.", required_resource_keys={"worker"})
def export_pending(context: OpExecutionContext, config: BatchConfig) -> None:
    """Make the exports of the configuration, then what else is pending."""
    worker: WorkerServices = context.resources.worker

    def record(published: Sequence[Published]) -> None:
        _materialise(context, worker, published)

    with worker.pending_signal() as signal:
        batch = [Launch.of(run_key) for run_key in config.run_keys]
        count = worker.batch_production.export_batch(context.run_id, batch, signal, record)
    context.log.info("Made %s exports.", count)


@job(name=BATCH_JOB, executor_def=in_process_executor, description="Makes many pending exports in one run.")
def batch_job() -> None:
    """Started by the launch sensors when many exports are pending."""
    export_pending()


def _materialise(context: OpExecutionContext, worker: "WorkerServices", published: Sequence[Published]) -> None:
    """Log a materialisation for each export; they are stored together if ``DAGSTER_EVENT_BATCH_SIZE`` is set.

    As ``DagsterEvent.asset_materialization`` does, except that no line is formatted for the log of the process: that
    takes longer than storing an event.
    """
    step, batch, last = context.get_step_execution_context(), str(uuid.uuid4()), len(published) - 1
    for number, (production, artifact) in enumerate(published):
        materialisation = AssetMaterialization(
            EXPORT_ASSET,
            partition=str(production.job.id),
            metadata=materialisation_metadata(worker, production, artifact),
        )
        event = DagsterEvent(
            event_type_value=DagsterEventType.ASSET_MATERIALIZATION.value,
            job_name=step.job_name,
            step_handle=step.step.handle,
            node_handle=step.step.node_handle,
            step_kind_value=step.step.kind.value,
            logging_tags=step.event_tags,
            event_specific_data=StepMaterializationData(materialisation),
            message="Materialized value.",
            pid=os.getpid(),
        )
        context.instance.report_dagster_event(
            event, context.run_id, logging.DEBUG, DagsterEventBatchMetadata(batch, number == last)
        )
