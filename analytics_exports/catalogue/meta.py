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

    name: Text
    label: Text | None = None
    options: Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(_once)]


class NumericFilterMeta(Foreign):
    """A column that can be restricted to a range of numbers."""

    model_config = ConfigDict(extra="forbid")

    name: Text
    label: Text | None = None


class FiltersMeta(Foreign):
    """The filters a dataset offers, each by column name."""

    model_config = ConfigDict(extra="forbid")

    date_column: Text | None = None
    account_id_column: Text | None = None
    tag_id_column: Text | None = None
    enum_filters: Annotated[tuple[EnumFilterMeta, ...], AfterValidator(_one_per_column)] = ()
    numeric_filters: Annotated[tuple[NumericFilterMeta, ...], AfterValidator(_one_per_column)] = ()


class DatasetMeta(Foreign):
    """All of it. Only ``dataset: true`` is required.

    Attributes:
        unique_key: Columns that together tell rows apart; one alone needs no list.
    """

    dataset: StrictBool
    friendly_name: Text | None = None
    group: Text | None = None
    time_grain: Text | None = None
    unique_key: Annotated[tuple[Text, ...], BeforeValidator(_as_list)] = ()
    filters: FiltersMeta = FiltersMeta()


def parse(meta: Mapping[str, object]) -> DatasetMeta:
    """Check ``meta``. Raises Unfit, naming each place that is wrong."""
    try:
        return DatasetMeta.model_validate(meta)
    except ValidationError as error:
        raise Unfit(f"Under meta, {faults(error)}.") from None
