"""The strict model of what a dbt project writes under ``meta`` to offer a model.

Unknown keys beside ``filters`` are ignored, because other tools use ``meta`` too; unknown keys within ``filters`` are
errors. Whether the columns exist is checked in ``validation``.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError

from analytics_exports.catalogue.artifact_models import ArtifactModel, RejectedModel, format_errors
from analytics_exports.contract.fields import Text

Filter = TypeVar("Filter", "EnumFilterMeta", "NumericFilterMeta")


def _unique(options: Sequence[str]) -> Sequence[str]:
    if len(set(options)) < len(options):
        raise ValueError("has an option twice")
    return options


def _one_per_column(filters: Sequence[Filter]) -> Sequence[Filter]:
    if len({item.name.lower() for item in filters}) < len(filters):
        raise ValueError("has two filters for one column")
    return filters


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class EnumFilterMeta(ArtifactModel):
    """A column that can be restricted to some of ``options``."""

    model_config = ConfigDict(extra="forbid")

    name: Text = Field(description="The column.")
    label: Text | None = Field(None, description="What people see; the name of the column unless set.")
    options: Annotated[
        tuple[Text, ...],
        Field(min_length=1, description="The values that a request can choose from."),
        AfterValidator(_unique),
    ]


class NumericFilterMeta(ArtifactModel):
    """A column that can be restricted to a range of numbers."""

    model_config = ConfigDict(extra="forbid")

    name: Text = Field(description="The column.")
    label: Text | None = Field(None, description="What people see; the name of the column unless set.")


class FiltersMeta(ArtifactModel):
    """The filters a dataset offers, each by column name."""

    model_config = ConfigDict(extra="forbid")

    date_column: Text | None = Field(None, description="Restricted by start_date and end_date, both inclusive.")
    account_id_column: Text | None = Field(None, description="Restricted by account_ids.")
    tag_id_column: Text | None = Field(None, description="Restricted by tag_ids: one value, or a list of them.")
    enum_filters: Annotated[tuple[EnumFilterMeta, ...], AfterValidator(_one_per_column)] = Field(
        (), description="Columns that can be restricted to some of a fixed set of values."
    )
    numeric_filters: Annotated[tuple[NumericFilterMeta, ...], AfterValidator(_one_per_column)] = Field(
        (), description="Columns that can be restricted to a range of numbers."
    )


class DatasetMeta(ArtifactModel):
    """The keys of ``meta``. Only ``dataset: true`` is required."""

    dataset: StrictBool = Field(description="`true` offers the model.")
    friendly_name: Text | None = Field(None, description="What people see; the name of the model unless set.")
    group: Text | None = Field(None, description="A heading to list it under.")
    time_grain: Text | None = Field(None, description="What one row of time stands for, such as day or month.")
    unique_key: Annotated[tuple[Text, ...], BeforeValidator(_as_list)] = Field(
        (), description="Columns that together identify a row; a single one needs no list."
    )
    filters: FiltersMeta = Field(FiltersMeta(), description="The filters on offer; without it there are none.")


def parse_meta(meta: Mapping[str, object]) -> DatasetMeta:
    """Validate ``meta``. Raises RejectedModel, naming each error."""
    try:
        return DatasetMeta.model_validate(meta)
    except ValidationError as error:
        raise RejectedModel(f"Under meta, {format_errors(error)}.") from None
