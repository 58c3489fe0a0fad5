"""What a dbt project writes under ``meta`` to offer a model: the strict form of it.

Unknown keys beside ``filters`` are left alone, because other tools keep theirs in ``meta`` too; unknown keys within
``filters`` are mistakes and refused. Whether the columns exist is asked in ``validation``.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError

from analytics_exports.catalogue.foreign import Foreign, Unfit, faults
from analytics_exports.contract.fields import Text

Filter = TypeVar("Filter", "EnumFilterMeta", "NumericFilterMeta")


def _once(options: Sequence[str]) -> Sequence[str]:
    if len(set(options)) < len(options):
        raise ValueError("has an option twice")
    return options


def _one_per_column(filters: Sequence[Filter]) -> Sequence[Filter]:
    if len({item.name.lower() for item in filters}) < len(filters):
        raise ValueError("has two filters for one column")
    return filters


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class EnumFilterMeta(Foreign):
    """A column that can be restricted to some of ``options``, which are texts that a request can hold."""

    model_config = ConfigDict(extra="forbid")

    name: Text = Field(description="The column.")
    label: Text | None = Field(None, description="What people see; the name of the column unless set.")
    options: Annotated[
        tuple[Text, ...],
        Field(min_length=1, description="The values that a request can choose from."),
        AfterValidator(_once),
    ]


class NumericFilterMeta(Foreign):
    """A column that can be restricted to a range of numbers."""

    model_config = ConfigDict(extra="forbid")

    name: Text = Field(description="The column.")
    label: Text | None = Field(None, description="What people see; the name of the column unless set.")


class FiltersMeta(Foreign):
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


class DatasetMeta(Foreign):
    """All of it. Only ``dataset: true`` is required."""

    dataset: StrictBool = Field(description="`true` offers the model.")
    friendly_name: Text | None = Field(None, description="What people see; the name of the model unless set.")
    group: Text | None = Field(None, description="A heading to list it under.")
    time_grain: Text | None = Field(None, description="What one row of time stands for, such as day or month.")
    unique_key: Annotated[tuple[Text, ...], BeforeValidator(_as_list)] = Field(
        (), description="Columns that together tell rows apart; one alone needs no list."
    )
    filters: FiltersMeta = Field(FiltersMeta(), description="The filters on offer; without it there are none.")


def parse(meta: Mapping[str, object]) -> DatasetMeta:
    """Check ``meta``. Raises Unfit, naming each place that is wrong."""
    try:
        return DatasetMeta.model_validate(meta)
    except ValidationError as error:
        raise Unfit(f"Under meta, {faults(error)}.") from None
