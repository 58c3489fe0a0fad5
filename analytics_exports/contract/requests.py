"""Request bodies. Unknown fields are refused, never ignored."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, Json

from analytics_exports.contract.fields import MAX_COLUMNS, MAX_FILTERS, Cursor, IsoDate, Number, Text, Values
from analytics_exports.domain.formats import Format
from analytics_exports.domain.selection import EnumChoice, NumericRange, Selection


class NumericBounds(BaseModel):
    """A range of numbers, both ends inclusive."""

    model_config = ConfigDict(extra="forbid")

    min: Number | None = Field(None, description="Smallest number, inclusive.")
    max: Number | None = Field(None, description="Largest number, inclusive.")


EnumFilters = Annotated[dict[Text, Values], Field(max_length=MAX_FILTERS)]
NumericFilters = Annotated[dict[Text, NumericBounds], Field(max_length=MAX_FILTERS)]

MAX_PAGE = 10_000
MAX_OFFSET = 10**12


class SelectionFields(BaseModel):
    """Which rows and columns; what is left out does not restrict."""

    model_config = ConfigDict(extra="forbid")

    start_date: IsoDate | None = Field(None, description="First day, inclusive, on the dataset's date column.")
    end_date: IsoDate | None = Field(None, description="Last day, inclusive.")
    account_ids: Values | None = Field(None, description="Only rows of these accounts.")
    tag_ids: Values | None = Field(None, description="Only rows with any of these tags.")
    enum_filters: EnumFilters | None = Field(None, description="By filter name: the values that rows may have.")
    numeric_filters: NumericFilters | None = Field(
        None, description="By filter name: the range that numbers must lie in."
    )
    columns: Annotated[list[Text], Field(min_length=1, max_length=MAX_COLUMNS)] | None = Field(
        None, description="These columns, in this order."
    )

    def selection(self) -> Selection:
        """The same in the domain's words, not yet checked against a dataset."""
        return Selection(
            start_date=self.start_date,
            end_date=self.end_date,
            account_ids=_tuple(self.account_ids),
            tag_ids=_tuple(self.tag_ids),
            enum_filters=tuple(EnumChoice(name, tuple(some)) for name, some in (self.enum_filters or {}).items()),
            numeric_filters=tuple(
                NumericRange(name, bounds.min, bounds.max) for name, bounds in (self.numeric_filters or {}).items()
            ),
            columns=_tuple(self.columns),
        )


class PageQuery(SelectionFields):
    """One page of rows, as query parameters: lists are repeated, filters by name are JSON objects."""

    enum_filters: Json[EnumFilters] | None = Field(None, description="JSON: by filter name, the values rows may have.")
    numeric_filters: Json[NumericFilters] | None = Field(None, description="JSON: by filter name, the range.")
    limit: int = Field(1000, ge=1, le=MAX_PAGE, description="Most rows to return.")
    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="Rows to leave out first; a cursor is faster.")
    cursor: Cursor | None = Field(None, description="next_cursor of the page before.")


class ExportCreate(SelectionFields):
    """What to export."""

    dataset_id: UUID = Field(description="From GET /datasets.")
    format: Format = Field(Format.CSV, description="File format.")


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
