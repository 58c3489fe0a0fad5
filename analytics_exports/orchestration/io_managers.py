"""Frames to files: the IO manager that streams an export to the artifact store and says what it wrote.

The bytes are ``artifacts``' business and the protocol is ``services.producing``'s; here they meet Dagster: partition
key in, materialisation metadata out. Loading an export as an input gives its file as a LazyFrame again.
"""

from typing import TYPE_CHECKING
from uuid import UUID

from dagster import InitResourceContext, InputContext, IOManager, OutputContext, io_manager

from analytics_exports.bootstrap import application
from analytics_exports.domain.errors import ExportExpired
from analytics_exports.domain.export import JobId
from analytics_exports.orchestration.publications import publication
from analytics_exports.orchestration.resources import Desk

if TYPE_CHECKING:
    import polars as pl


class ExportIOManager(IOManager):
    """Publishes the frame of one partition as the file of one export."""

    def __init__(self, desk: Desk) -> None:
        """Finish the productions that lie on this desk."""
        self._desk = desk

    def handle_output(self, context: OutputContext, obj: "pl.LazyFrame") -> None:
        """Write, check and publish ``obj``; the metadata carries the claim by which the read-back completes it."""
        production = self._desk.take(context.partition_key)
        artifact = production.publish(obj)
        context.add_output_metadata(publication(production, artifact))
        self._desk.hand_back(context.partition_key, production.job, artifact)

    def load_input(self, context: InputContext) -> "pl.LazyFrame":
        """The rows of a published export.

        Raises:
            ExportExpired: there is no such file, or no longer.
            UnsupportedOperation: it is a workbook, which is made for people.
        """
        from analytics_exports.artifacts import writing

        app = application("worker")
        job = app.jobs.load(JobId(UUID(context.partition_key)))
        found = app.artifacts.open(job.artifact.output_path) if job and job.artifact else None
        if job is None or found is None:
            raise ExportExpired
        with found.content as file:
            return writing.read(file, job.request.format, job.request.options).lazy()


@io_manager(required_resource_keys={"desk"}, description="Streams an export to the artifact store.")
def export_io_manager(context: InitResourceContext) -> ExportIOManager:
    """The IO manager of one run."""
    return ExportIOManager(context.resources.desk)
