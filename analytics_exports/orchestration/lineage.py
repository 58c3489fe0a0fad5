"""The dbt project in the asset graph: each dataset, and what it was made from, as an asset that dbt makes.

Dagster does not run them one by one: the asset ``warehouse`` builds them all, and says how many rows each has.
"""

from collections.abc import Sequence
from pathlib import Path

from dagster import AssetKey, AssetSpec, MetadataValue, TableColumn, TableSchema

from analytics_exports.catalogue.lineage import LineageNode, read_lineage

PREFIX = "dbt"
DATASET = "dataset"
OWNERS = ("team:analytics",)


def dbt_key(*path: str) -> AssetKey:
    """The key of the asset that stands for this dbt node."""
    return AssetKey([PREFIX, *path])


def dbt_assets(manifest: Path) -> Sequence[AssetSpec]:
    """An asset for each dataset of the project and for all that it was made from."""
    return [_spec(node) for node in read_lineage(manifest)]


def datasets(specs: Sequence[AssetSpec]) -> Sequence[AssetKey]:
    """Those that are marked as datasets."""
    return [spec.key for spec in specs if DATASET in spec.tags]


def _spec(node: LineageNode) -> AssetSpec:
    columns = [TableColumn(name, description=text or None) for name, text in node.columns.items()]
    return AssetSpec(
        dbt_key(*node.path),
        deps=[dbt_key(*parent) for parent in node.parents],
        description=node.description or None,
        group_name="dbt_sources" if node.kind == "source" else "dbt",
        kinds={"dbt", node.kind},
        owners=OWNERS,
        tags={DATASET: "true"} if node.is_dataset else {},
        metadata={"dagster/column_schema": MetadataValue.table_schema(TableSchema(columns))} if columns else {},
    )
