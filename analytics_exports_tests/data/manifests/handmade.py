"""dbt artifacts made by hand, as small as dbt could write them, and a project of them that a catalogue can read."""

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from analytics_exports.catalogue import DbtCatalogue
from analytics_exports.domain.dataset import Column, Relation
from analytics_exports.domain.errors import ExportError
from analytics_exports_tests.factories import NOW, dataset

COLUMNS = {column.name: column.type for column in dataset().columns}
FILTERS: Mapping[str, Any] = {
    "date_column": "booking_date",
    "account_id_column": "account_id",
    "tag_id_column": "tag_ids",
    "enum_filters": [{"name": "status", "label": "Status", "options": ["booked", "pending"]}],
    "numeric_filters": [{"name": "amount", "label": "Amount"}],
}
META: Mapping[str, Any] = {
    "dataset": True,
    "friendly_name": "Transactions",
    "group": "facts",
    "time_grain": "day",
    "filters": FILTERS,
}


def node(name: str = "fct_transactions", **changes: Any) -> dict[str, Any]:
    """A model that offers every kind of filter. ``changes`` replace keys of it, ``None`` by JSON's null."""
    package = changes.get("package_name", "shop")
    version = f".v{changes['version']}" if "version" in changes else ""
    return {
        "unique_id": f"model.{package}.{name}{version}",
        "resource_type": "model",
        "package_name": package,
        "name": name,
        "database": "analytics",
        "schema": "main",
        "alias": name,
        "description": "One row for each transaction.",
        "config": {"enabled": True, "materialized": "table"},
        "meta": META,
        "columns": {"amount": {"name": "amount", "description": "What it moved.", "constraints": []}},
        "constraints": [],
        "primary_key": [],
        **changes,
    }


def manifest(*nodes: Mapping[str, Any], version: int = 12, generated_at: datetime = NOW) -> dict[str, Any]:
    """A manifest.json of these nodes."""
    return {
        "metadata": {
            "dbt_schema_version": f"https://schemas.getdbt.com/dbt/manifest/v{version}.json",
            "generated_at": generated_at.isoformat(),
            "invocation_id": "invocation",
        },
        "nodes": {item["unique_id"]: item for item in nodes},
    }


def catalog(
    types: Mapping[str, str], name: str = "fct_transactions", *, kind: str = "BASE TABLE", age: timedelta = timedelta()
) -> dict[str, Any]:
    """A catalog.json of one model, older than the manifest by ``age``."""
    columns = {
        column: {"name": column, "type": of, "index": number, "comment": None}
        for number, (column, of) in enumerate(types.items(), start=1)
    }
    return {
        "metadata": {"generated_at": (NOW - age).isoformat()},
        "nodes": {f"model.shop.{name}": {"metadata": {"type": kind}, "columns": columns}},
    }


class Project:
    """A folder with artifacts, and a warehouse of which only the columns are known.

    Attributes:
        tables: By the name of the table.
        trouble: What the warehouse raises when it is asked, if anything.
        asked: The names of tables that the warehouse was asked for.
        now: What the catalogue's clock says.
    """

    def __init__(self, folder: Path, types: Mapping[str, str] | None = None) -> None:
        self.manifest = folder / "manifest.json"
        self.catalog = folder / "catalog.json"
        self.tables = {"fct_transactions": COLUMNS if types is None else types}
        self.trouble: ExportError | None = None
        self.asked: list[str] = []
        self.now = 0.0

    def publish(self, *nodes: Mapping[str, Any], **changes: Any) -> None:
        """Put a manifest of these nodes in place, by rename."""
        put(self.manifest, manifest(*nodes, **changes))

    def describe(self, relation: Relation) -> tuple[Column, ...] | None:
        self.asked.append(relation.name)
        if self.trouble:
            raise self.trouble
        types = self.tables.get(relation.name)
        return None if types is None else tuple(Column(name, of) for name, of in types.items())

    def catalogue(self) -> DbtCatalogue:
        """A catalogue that has read nothing yet."""
        return DbtCatalogue(self.manifest, self.catalog, self.describe, clock=lambda: self.now)


def put(path: Path, content: object) -> None:
    """Write ``content`` as JSON, visible in one step."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content), encoding="utf-8")
    part.replace(path)
