"""``docs/reference/dbt-metadata.md``: the keys under ``meta`` in a dbt project, from the models that validate them."""

from collections.abc import Iterator

from pydantic import BaseModel

from analytics_exports.catalogue.meta import DatasetMeta, EnumFilterMeta, FiltersMeta, NumericFilterMeta
from analytics_exports.cli.reference.tables import table

INTRODUCTION = """\
# Metadata of dbt models

What makes a model a dataset, under `meta` of the model or `config.meta`. Unknown keys beside `filters` are left alone,
because other tools keep theirs there too; unknown keys within it are mistakes, and the model is rejected with a reason.
[Make your dbt project exportable](../how-to/make-your-dbt-project-exportable.md) leads through it.

"""
PARTS: dict[str, type[BaseModel]] = {
    "`meta`": DatasetMeta,
    "`meta.filters`": FiltersMeta,
    "each of `meta.filters.enum_filters`": EnumFilterMeta,
    "each of `meta.filters.numeric_filters`": NumericFilterMeta,
}


def document() -> str:
    """The whole document."""
    parts = (f"## {place}\n\n{table(('key', 'needed', 'meaning'), _rows(model))}" for place, model in PARTS.items())
    return INTRODUCTION + "\n".join(parts)


def _rows(model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        yield f"`{name}`", "yes" if field.is_required() else "", field.description or ""
