"""What can be exported: datasets, their columns, and the filters they offer.

A Dataset is a dbt model that its project marked with ``meta.dataset``, validated and ready to be queried. Reading dbt
artifacts belongs to ``catalogue``; SQL about a dataset belongs to ``warehouse``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NewType
from uuid import UUID, uuid5

from analytics_exports.domain.column_type import ColumnType, parse_type

DatasetId = NewType("DatasetId", UUID)

NAMESPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
"""The DNS namespace of RFC 9562; a dataset id is ``uuid5(NAMESPACE, model name)``."""

OWNER_COLUMN = "user_id"
"""The column with the owner of a row. Every dataset has it."""


def dataset_id(model_name: str) -> DatasetId:
    """The stable id of the dataset made from the dbt model of this name."""
    return DatasetId(uuid5(NAMESPACE, model_name))


@dataclass(frozen=True, slots=True)
class Column:
    """One column as the warehouse names it.

    Attributes:
        name: The name in the warehouse's own case.
        type: DuckDB's name of the type, such as ``DECIMAL(18,2)`` or ``VARCHAR[]``.
        description: From the dbt project; empty when it has none.
    """

    name: str
    type: str
    description: str = ""

    @property
    def parsed_type(self) -> ColumnType:
        """The type as a value."""
        return parse_type(self.type)


@dataclass(frozen=True, slots=True)
class EnumFilter:
    """A column that can be restricted to some of a fixed set of values."""

    name: str
    label: str
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NumericFilter:
    """A column that can be restricted to a range of numbers."""

    name: str
    label: str


@dataclass(frozen=True, slots=True)
class FilterSet:
    """The filters a dataset offers; ``None`` or empty where it has none. Names are as the warehouse writes them."""

    date_column: str | None = None
    account_id_column: str | None = None
    tag_id_column: str | None = None
    enum_filters: tuple[EnumFilter, ...] = ()
    numeric_filters: tuple[NumericFilter, ...] = ()


@dataclass(frozen=True, slots=True)
class Relation:
    """The three parts of a table's name, unquoted. ``database`` is dbt's name of the DuckDB file."""

    database: str
    schema: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One exportable dbt model.

    Attributes:
        name: The dbt model's name; ``id`` is derived from it.
        group: A heading to list it under, such as ``facts``.
        time_grain: ``day``, ``month`` and the like; ``None`` for a table without time.
        owner_column: The column compared with the caller's owner key, as the warehouse writes it.
        columns: In the order of the table.
        unique_key: Columns that identify a row, when dbt declares them; they make the order of rows stable.
    """

    id: DatasetId
    name: str
    friendly_name: str
    description: str
    group: str | None
    time_grain: str | None
    relation: Relation
    owner_column: str
    columns: tuple[Column, ...]
    filters: FilterSet
    unique_key: tuple[str, ...] = ()

    def columns_by_name(self) -> Mapping[str, Column]:
        """The columns by exact name."""
        return {column.name: column for column in self.columns}


@dataclass(frozen=True, slots=True)
class Rejection:
    """A model that is marked as a dataset but cannot safely be one, and the reason, for operators."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogueState:
    """The catalogue at one moment: the last one that could be read completely.

    Attributes:
        invocation_id: dbt's id of the run that wrote the manifest.
        stale: Why a newer manifest could not be read, for operators; ``None`` when this is the newest.
    """

    datasets: Mapping[DatasetId, Dataset]
    rejected: tuple[Rejection, ...]
    generated_at: datetime
    invocation_id: str
    stale: str | None = None
