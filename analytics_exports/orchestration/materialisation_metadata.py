"""The metadata of a materialisation: for the event log projection, which completes the export, and for operators.

The keys that the projection reads are defined in ``gateway.materialisation``. This module adds what operators see in
Dagster: numbers that are plotted across partitions, columns, and links.
"""

from typing import TYPE_CHECKING

from dagster import MetadataValue, TableColumn, TableSchema

from analytics_exports.contract import BASE_PATH
from analytics_exports.domain.artifact import Artifact
from analytics_exports.gateway.materialisation import to_metadata
from analytics_exports.orchestration.lineage import dataset_key

if TYPE_CHECKING:
    import polars as pl

    from analytics_exports.bootstrap.worker import WorkerServices
    from analytics_exports.services.production import Production


def materialisation_metadata(
    worker: "WorkerServices", production: "Production", artifact: Artifact
) -> dict[str, MetadataValue]:
    """All metadata of a published export. Rows of its owner are included only if a setting allows it."""
    request, seconds = production.job.request, production.seconds
    address = f"{worker.api_url}{BASE_PATH}/exports/{production.job.id}"
    said: dict[str, MetadataValue] = {
        "dataset": MetadataValue.text(request.dataset_name),
        "dataset_asset": MetadataValue.asset(dataset_key(request.dataset_name)),
        "format": MetadataValue.text(request.format.value),
        "filters": MetadataValue.json(request.selection.plain_filters()),
        "duration_seconds": MetadataValue.float(round(seconds, 3)),
        "rows_per_second": MetadataValue.float(round(artifact.row_count / seconds, 1) if seconds else 0.0),
        "status": MetadataValue.url(address),
        "download": MetadataValue.url(f"{address}/download"),
        "dagster/column_schema": MetadataValue.table_schema(_schema(artifact)),
    }
    if production.job.request_id:
        said["request_id"] = MetadataValue.text(production.job.request_id)
    if worker.preview:
        said["preview"] = MetadataValue.md(_markdown(production.preview))
    return {**said, **to_metadata(production.claim, artifact)}


def _schema(artifact: Artifact) -> TableSchema:
    columns = [facts.column for facts in artifact.columns]
    return TableSchema([TableColumn(item.name, item.type, item.description or None) for item in columns])


def _markdown(rows: "pl.DataFrame | None") -> str:
    """The first rows as a Markdown table."""
    import polars as pl

    if rows is None or rows.is_empty():
        return "No rows."
    with pl.Config(
        tbl_formatting="MARKDOWN",
        tbl_hide_column_data_types=True,
        tbl_hide_dataframe_shape=True,
        tbl_cols=-1,
        tbl_width_chars=-1,
        fmt_str_lengths=60,
    ):
        return str(rows)
