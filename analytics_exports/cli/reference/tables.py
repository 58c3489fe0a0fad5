"""Reference documents that are tables: ``settings.md`` and ``dbt-metadata.md``, from the models that validate them."""

from collections.abc import Iterable, Iterator, Sequence

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from analytics_exports.catalogue.meta import DatasetMeta, EnumFilterMeta, FiltersMeta, NumericFilterMeta
from analytics_exports.settings import PREFIX, Settings

SETTINGS_INTRODUCTION = """\
# Settings

Environment variables, read once when a process starts. `analytics-exports settings` prints the same table, and
`analytics-exports doctor` says which of them needs another value. A value that is not valid stops every command with a
sentence that names the variable and never shows the value.

"""
METADATA_INTRODUCTION = """\
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


def settings() -> str:
    """The document of all settings."""
    fields = Settings.model_fields.items()
    rows = [(f"`{PREFIX}{name.upper()}`", _default(field), field.description or "") for name, field in fields]
    return SETTINGS_INTRODUCTION + table(("variable", "default", "meaning"), rows)


def dbt_metadata() -> str:
    """The document of the keys under ``meta`` in a dbt project."""
    parts = (f"## {place}\n\n{table(('key', 'needed', 'meaning'), _rows(model))}" for place, model in PARTS.items())
    return METADATA_INTRODUCTION + "\n".join(parts)


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; ``|`` in cells is escaped."""
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def _default(field: FieldInfo) -> str:
    return "" if field.default in (None, PydanticUndefined, "") else f"`{field.default}`"


def _rows(model: type[BaseModel]) -> Iterator[tuple[str, str, str]]:
    for name, field in model.model_fields.items():
        yield f"`{name}`", "yes" if field.is_required() else "", field.description or ""
