"""The IO manager that streams the rows of an export to the artifact store and records what it wrote.

Claiming, writing and publishing belong to ``services.production``. Loading an export as an input of another asset reads
its file as a LazyFrame.
"""

from typing import TYPE_CHECKING
from uuid import UUID

from dagster import InitResourceContext, InputContext, IOManager, OutputContext, io_manager

from analytics_exports.domain.export import JobId
from analytics_exports.orchestration.materialisation_metadata import materialisation_metadata

if TYPE_CHECKING:
    import polars as pl

    from analytics_exports.bootstrap.worker import WorkerServices
    from analytics_exports.services.production import Production


class ExportIOManager(IOManager):
    """Publishes the rows of one partition as the file of one export."""

    def __init__(self, worker: "WorkerServices") -> None:
        """Use the services of a run worker."""
        self._worker = worker

    def handle_output(self, context: OutputContext, obj: "Production") -> None:
        """Publish the file. The metadata carries the claim with which the event log projection completes the export."""
        context.add_output_metadata(materialisation_metadata(self._worker, obj, obj.publish()))

    def load_input(self, context: InputContext) -> "pl.LazyFrame":
        """The rows of a published export.

        Raises:
            ExportExpired: there is no such file, or it has been removed.
            UnsupportedOperation: the format (XLSX) is not read back.
        """
        return self._worker.inspector.read(JobId(UUID(context.partition_key))).lazy()


@io_manager(description="Streams an export to the artifact store.", required_resource_keys={"worker"})
def export_io_manager(context: InitResourceContext) -> ExportIOManager:
    """The IO manager as a Dagster resource."""
    return ExportIOManager(context.resources.worker)
