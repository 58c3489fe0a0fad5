"""The dbt project in the asset graph: an asset for each dataset and for each model, seed and source it was made from.

Dagster does not execute these assets one by one: the asset ``warehouse`` builds them all and reports their row counts.
"""

import logging
from collections.abc import Sequence
from typing import Any

from dagster import AssetKey, AssetSpec, MetadataValue, TableColumn, TableSchema

from analytics_exports.domain.lineage import Lineage, LineageNode, safe_name

PREFIX = "dbt"
DATASET = "dataset"
TABLE = "dagster/table_name"
"""Dagster's metadata key for the table of an asset."""

OWNERS = ("team:analytics",)

logger = logging.getLogger(__name__)


def dataset_key(name: str) -> AssetKey:
    """The asset key of the dataset with this name."""
    return AssetKey([PREFIX, safe_name(name)])


def dbt_assets(lineage: Lineage) -> Sequence[AssetSpec]:
    """Assets for all datasets of the project and their ancestors. Logs what cannot be shown."""
    for problem in lineage.problems:
        logger.warning("The asset graph is not complete: %s", problem)
    return [_spec(node) for node in lineage.nodes]


def datasets(specs: Sequence[AssetSpec]) -> Sequence[AssetKey]:
    """The keys of the assets that are marked as datasets."""
    return [spec.key for spec in specs if DATASET in spec.tags]


def _spec(node: LineageNode) -> AssetSpec:
    columns = [TableColumn(name, description=text or None) for name, text in node.columns.items()]
    metadata: dict[str, Any] = {TABLE: node.table}
    if columns:
        metadata["dagster/column_schema"] = MetadataValue.table_schema(TableSchema(columns))
    return AssetSpec(
        AssetKey([PREFIX, *node.key]),
        deps=[AssetKey([PREFIX, *parent]) for parent in node.parents],
        description=node.description or None,
        group_name="dbt_sources" if node.kind == "source" else "dbt",
        kinds={"dbt", node.kind},
        owners=OWNERS,
        tags={DATASET: "true"} if node.is_dataset else {},
        metadata=metadata,
    )
