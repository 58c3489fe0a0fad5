"""Frames to files: the IO manager that streams an export to the artifact store and says what it wrote.

The bytes are ``artifacts``' business and the protocol is ``services.producing``'s; here they meet Dagster: partition
key in, materialisation metadata out. Loading an export as an input gives its file as a LazyFrame again.
"""

from typing import TYPE_CHECKING
from uuid import UUID

from dagster import InitResourceContext, InputContext, IOManager, MetadataValue, OutputContext, io_manager

from analytics_exports.bootstrap import application
from analytics_exports.database.codec import selection_to_json
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.errors import ExportExpired
from analytics_exports.domain.export import JobId
from analytics_exports.domain.formats import Format
from analytics_exports.gateway.materialisation import to_metadata
from analytics_exports.orchestration.resources import Desk

if TYPE_CHECKING:
    import polars as pl

    from analytics_exports.services.producing import Production


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

    def load_input(self, context: InputContext) -> "pl.LazyFrame":
        """The rows of a published export."""
        import polars as pl

        app = application("worker")
        job = app.jobs.load(JobId(UUID(context.partition_key)))
        file = app.artifacts.open(job.artifact.output_path) if job and job.artifact else None
        if job is None or file is None:
            raise ExportExpired
        with file:
            rows = pl.read_csv(file) if job.request.format is Format.CSV else pl.read_parquet(file)
        return rows.lazy()


def publication(production: "Production", artifact: Artifact) -> dict[str, MetadataValue]:
    """What the materialisation of a published export says: for the read-back, and for people."""
    request = production.job.request
    return {
        **to_metadata(production.claim, artifact),
        "dataset": MetadataValue.text(request.dataset_name),
        "format": MetadataValue.text(request.format.value),
        "filters": MetadataValue.json(selection_to_json(request.selection)),
        "preview": MetadataValue.md(_markdown(production.preview)),
    }


def _markdown(rows: "pl.DataFrame | None") -> str:
    """The first rows as a table."""
    import polars as pl

    if rows is None or rows.is_empty():
        return "No rows."
    with pl.Config(
        tbl_formatting="MARKDOWN", tbl_hide_column_data_types=True, tbl_hide_dataframe_shape=True, tbl_cols=-1
    ):
        return str(rows)


@io_manager(required_resource_keys={"desk"}, description="Streams an export to the artifact store.")
def export_io_manager(context: InitResourceContext) -> ExportIOManager:
    """The IO manager of one run."""
    return ExportIOManager(context.resources.desk)
