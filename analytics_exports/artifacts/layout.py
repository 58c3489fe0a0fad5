"""What a writer knows before the first row: the columns with their types, and the facts of the export."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from analytics_exports.domain.column_type import UNKNOWN, ColumnType
from analytics_exports.domain.dataset import Column


@dataclass(frozen=True, slots=True)
class Field:
    """A column of a file.

    Attributes:
        dtype: The type in the frame.
        type: In the warehouse: it distinguishes JSON from other text, and maps from lists.
    """

    column: Column
    dtype: pl.DataType
    type: ColumnType

    @property
    def name(self) -> str:
        """Name of the column."""
        return self.column.name


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of a file in their order, and facts for its metadata, in formats that have any."""

    fields: tuple[Field, ...]
    facts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, schema: pl.Schema, columns: Sequence[Column] | None, facts: Mapping[str, str] | None) -> "Layout":
        """The layout of a frame with this schema.

        Args:
            columns: With DuckDB's type names, in the frame's order; without them only the types of Polars are known.

        Raises:
            ValueError: the frame has other columns.
        """
        known = columns or tuple(Column(name, str(dtype)) for name, dtype in schema.items())
        if [column.name for column in known] != schema.names():
            raise ValueError("The columns are not those of the frame.")
        fields = (
            Field(column, dtype, column.parsed_type if columns else UNKNOWN)
            for column, dtype in zip(known, schema.dtypes(), strict=True)
        )
        return cls(tuple(fields), facts or {})

    @property
    def schema(self) -> pl.Schema:
        """The schema of the frame."""
        return pl.Schema({item.name: item.dtype for item in self.fields})
