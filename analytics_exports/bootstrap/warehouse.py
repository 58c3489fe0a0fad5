"""Makes the warehouse and its catalogue, and builds the warehouse. Loads DuckDB, Polars and PyArrow."""

from pathlib import Path

from analytics_exports.catalogue import DbtCatalogue
from analytics_exports.ports import BuildReport, Catalogue, Warehouse
from analytics_exports.settings import Settings
from analytics_exports.warehouse import DuckDBWarehouse
from analytics_exports.warehouse.build import build_warehouse


def export_warehouse(settings: Settings) -> Warehouse:
    """The warehouse, with the limits of an export."""
    return _warehouse(settings, settings.export_memory, settings.export_seconds, lock_timeout=10)


def query_warehouse(settings: Settings) -> Warehouse:
    """The warehouse, with the limits of a request."""
    return _warehouse(settings, settings.query_memory, settings.query_seconds)


def make_catalogue(settings: Settings, warehouse: Warehouse) -> Catalogue:
    """The datasets of the dbt manifest, with the columns that ``warehouse`` describes."""
    return DbtCatalogue(settings.dbt_manifest, catalog_file(settings), warehouse.describe)


def build(settings: Settings, sources: Path | None = None) -> BuildReport | None:
    """Build the warehouse with dbt and publish it; ``None`` when no dbt project is set.

    Args:
        sources: Folder of source files, for a project that takes it from the environment.

    Raises:
        BuildFailed: nothing was published.
    """
    if settings.dbt_project is None:
        return None
    return build_warehouse(
        settings.dbt_project,
        settings.warehouse,
        settings.dbt_manifest,
        catalog=catalog_file(settings),
        logs=settings.state_dir / "logs",
        sources=sources,
    )


def catalog_file(settings: Settings) -> Path:
    """The path of the dbt project's catalog.json."""
    return settings.dbt_catalog or settings.dbt_manifest.with_name("catalog.json")


def _warehouse(settings: Settings, memory: str, seconds: float, **limits: float) -> Warehouse:
    if settings.warehouse_url:
        from analytics_exports.warehouse.postgres import PostgresWarehouse  # noqa: PLC0415 - an optional dependency

        return PostgresWarehouse(settings.warehouse_url, memory_limit=memory, seconds=seconds)
    threads, spill = settings.export_threads, settings.state_dir / "spill"
    return DuckDBWarehouse(
        settings.warehouse, memory_limit=memory, threads=threads, seconds=seconds, spill_root=spill, **limits
    )
