"""Formats settings and datasets as text and JSON."""

import json
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from analytics_exports.cli.records import aligned
from analytics_exports.domain.dataset import CatalogueState, Dataset, FilterSet
from analytics_exports.settings import PREFIX, Settings


def settings_table() -> str:
    """Every setting in the order of declaration: name, environment variable, default, description."""
    fields = Settings.model_fields.items()
    rows = [(name, f"{PREFIX}{name.upper()}", _default(field), field.description or "") for name, field in fields]
    return aligned([("name", "environment variable", "default", "meaning"), *rows])


def settings_json() -> str:
    """Every setting as JSON."""
    fields = Settings.model_fields.items()
    rows = [
        {
            "name": name,
            "variable": f"{PREFIX}{name.upper()}",
            "default": _default(field),
            "description": field.description,
        }
        for name, field in fields
    ]
    return json.dumps({"settings": rows}, indent=2, ensure_ascii=False)


def catalogue_json(state: CatalogueState) -> str:
    """All datasets of the catalogue, and the rejected models with reasons."""
    offered = [_dataset(dataset) for dataset in _by_name(state)]
    rejected = [{"name": rejection.name, "reason": rejection.reason} for rejection in state.rejected]
    return json.dumps({"datasets": offered, "rejected": rejected}, indent=2, ensure_ascii=False)


def catalogue_text(state: CatalogueState) -> str:
    """A line for each dataset, and for each rejected model."""
    rows = [(dataset.name, str(dataset.id), dataset.friendly_name) for dataset in _by_name(state)]
    rejected = [f"rejected: {rejection.name}: {rejection.reason}" for rejection in state.rejected]
    return "\n".join([aligned(rows), *rejected] if rows else rejected)


def _by_name(state: CatalogueState) -> list[Dataset]:
    return sorted(state.datasets.values(), key=lambda dataset: dataset.name)


def _dataset(dataset: Dataset) -> dict[str, Any]:
    return {
        "id": str(dataset.id),
        "dataset_name": dataset.name,
        "friendly_name": dataset.friendly_name,
        "group": dataset.group,
        "time_grain": dataset.time_grain,
        "filters": _filters(dataset.filters),
        "columns": [
            {"name": column.name, "type": column.type, "description": column.description} for column in dataset.columns
        ],
    }


def _filters(filters: FilterSet) -> dict[str, Any]:
    return {
        "date_column": filters.date_column,
        "account_id_column": filters.account_id_column,
        "tag_id_column": filters.tag_id_column,
        "enum_filters": [
            {"name": each.name, "label": each.label, "options": list(each.options)} for each in filters.enum_filters
        ],
        "numeric_filters": [{"name": each.name, "label": each.label} for each in filters.numeric_filters],
    }


def _default(field: FieldInfo) -> str:
    return "" if field.default in (None, PydanticUndefined, "") else str(field.default)
