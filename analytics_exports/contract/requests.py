"""Request bodies and query parameters. Unknown fields are rejected, never ignored."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from analytics_exports.contract import examples, strict_json
from analytics_exports.contract.fields import (
    MAX_COLUMNS,
    MAX_FILTERS,
    Cursor,
    Instant,
    IsoDate,
    Number,
    OptionValue,
    Text,
    Values,
)
from analytics_exports.domain.dataset import DatasetId
from analytics_exports.domain.export import ExportFilter, Status
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
MAX_PREVIEW = 100
MAX_LIST = 200
MAX_OFFSET = 10**12


class SelectionFields(BaseModel):
    """Which rows and columns; a field without a value does not restrict."""

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
        """The domain value, not yet checked against a dataset."""
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

    @staticmethod
    def of(selection: Selection) -> "SelectionFields":
        """From the domain value, already checked."""
        enums = {choice.name: list(choice.values) for choice in selection.enum_filters}
        ranges = {item.name: NumericBounds(min=item.minimum, max=item.maximum) for item in selection.numeric_filters}
        return SelectionFields.model_construct(
            start_date=selection.start_date,
            end_date=selection.end_date,
            account_ids=None if selection.account_ids is None else list(selection.account_ids),
            tag_ids=None if selection.tag_ids is None else list(selection.tag_ids),
            enum_filters=enums or None,
            numeric_filters=ranges or None,
            columns=None if selection.columns is None else list(selection.columns),
        )


def _from_json(value: Any) -> Any:  # noqa: ANN401 - JSON
    return strict_json.loads(value) if isinstance(value, str) else value


def _in_json(description: str, example: str) -> Any:  # noqa: ANN401 - a FieldInfo
    """A query parameter that holds a JSON object."""
    return Field(None, description=f"A JSON object: {description}", examples=[example])


JSON_TEXT = WithJsonSchema({"type": "string", "contentMediaType": "application/json"})


class RowsQuery(SelectionFields):
    """A selection as query parameters: lists are repeated parameters, filters by name are JSON objects."""

    enum_filters: Annotated[EnumFilters | None, BeforeValidator(_from_json), JSON_TEXT] = _in_json(
        "by filter name, the values that rows may have.", '{"status": ["booked"]}'
    )
    numeric_filters: Annotated[NumericFilters | None, BeforeValidator(_from_json), JSON_TEXT] = _in_json(
        "by filter name, the range that numbers must lie in.", '{"amount": {"min": "-10.50"}}'
    )


class PreviewQuery(RowsQuery):
    """The first rows, to see what they look like."""

    limit: int = Field(20, ge=1, le=MAX_PREVIEW, description="Most rows to return.")


class PageQuery(RowsQuery):
    """One page of rows."""

    limit: int = Field(1000, ge=1, le=MAX_PAGE, description="Most rows to return.")
    offset: int = Field(0, ge=0, le=MAX_OFFSET, description="Rows to leave out first; a cursor is faster.")
    cursor: Cursor | None = Field(None, description="next_cursor of the page before; then offset counts from there.")


class ExportCreate(SelectionFields):
    """What to export. GET /formats lists the options of each format."""

    model_config = examples.example_config(examples.EXPORT_CREATE)

    dataset_id: UUID = Field(description="From GET /datasets.")
    format: Format = Field(Format.CSV, description="File format.")
    compression: OptionValue | None = Field(None, description="How the file, or its columns, are compressed.")
    timezone: OptionValue | None = Field(None, description="Time zone in which timestamps that have one are written.")
    csv: dict[Text, OptionValue] | None = Field(None, description="How a CSV file looks.")
    xlsx: dict[Text, OptionValue] | None = Field(None, description="How a workbook looks.")
    split: dict[Text, OptionValue] | None = Field(None, description="Several files in one zip.")

    def options(self) -> dict[str, Any]:
        """The format options that were given."""
        return self.model_dump(include={"compression", "timezone", "csv", "xlsx", "split"}, exclude_none=True)


class ExportsQuery(BaseModel):
    """Which exports to list."""

    model_config = ConfigDict(extra="forbid")

    status: list[Status] = Field([], max_length=len(Status), description="Only exports that stand so.")
    format: list[Format] = Field([], max_length=len(Format), description="Only files of these formats.")
    dataset_id: UUID | None = Field(None, description="Only exports of this dataset.")
    created_after: Instant | None = Field(None, description="Only exports created later, with the offset of the zone.")
    created_before: Instant | None = Field(None, description="Only exports created earlier.")
    limit: int = Field(50, ge=1, le=MAX_LIST, description="Most exports to return.")
    cursor: Cursor | None = Field(None, description="next_cursor of the page before.")

    def filter(self) -> ExportFilter:
        """The domain value."""
        return ExportFilter(
            statuses=tuple(self.status),
            formats=tuple(self.format),
            dataset_id=None if self.dataset_id is None else DatasetId(self.dataset_id),
            created_after=self.created_after,
            created_before=self.created_before,
        )


def _tuple(values: list[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
