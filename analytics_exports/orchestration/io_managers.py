"""The IO manager that streams the frame of an export to the artifact store and records what it wrote.

Claiming, writing and publishing belong to ``services.production``. Loading an export as an input of another asset reads
its file as a LazyFrame.
"""

from typing import TYPE_CHECKING
from uuid import UUID

from dagster import InputContext, IOManager, OutputContext, io_manager

from analytics_exports.bootstrap import application
from analytics_exports.domain.errors import ExportExpired
from analytics_exports.domain.export import JobId
from analytics_exports.orchestration.materialisation_metadata import materialisation_metadata

if TYPE_CHECKING:
    import polars as pl

    from analytics_exports.services.production import Production


class ExportIOManager(IOManager):
    """Publishes the frame of one partition as the file of one export."""

    def handle_output(self, context: OutputContext, obj: "Production") -> None:
        """Publish the file. The metadata carries the claim with which the event log projection completes the export."""
        context.add_output_metadata(materialisation_metadata(obj, obj.publish()))

    def load_input(self, context: InputContext) -> "pl.LazyFrame":
        """The rows of a published export.

        Raises:
            ExportExpired: there is no such file, or it has been removed.
            UnsupportedOperation: the format (XLSX) is not read back.
        """
        from analytics_exports.artifacts import writing

        app = application("worker")
        job = app.jobs.load(JobId(UUID(context.partition_key)))
        found = app.artifacts.open(job.artifact.output_path) if job and job.artifact else None
        if job is None or found is None:
            raise ExportExpired
        with found.content as file:
            return writing.read_file(file, job.request.format, job.request.options).lazy()


@io_manager(description="Streams an export to the artifact store.")
def export_io_manager() -> ExportIOManager:
    """The IO manager as a Dagster resource."""
    return ExportIOManager()
