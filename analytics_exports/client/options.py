"""Keyword arguments for selections and exports, declared once for every function that takes them.

Names and meanings are those of ``contract.requests``, which also validates the values.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, TypedDict, TypeVar
from uuid import UUID

from pydantic import BaseModel, ValidationError

from analytics_exports.client.errors import error_from_validation
from analytics_exports.contract.requests import MAX_LIST, ExportCreate, ExportsQuery, PreviewQuery
from analytics_exports.domain.dataset import dataset_id
from analytics_exports.domain.export import Status
from analytics_exports.domain.formats import Format

Model = TypeVar("Model", bound=BaseModel)
Number = int | float | Decimal | str


class Bounds(TypedDict, total=False):
    """A range of numbers, both ends inclusive; a missing end is open."""

    min: Number
    max: Number


class SelectionOptions(TypedDict, total=False):
    """Which rows and columns; a missing value, or ``None``, does not restrict.

    Attributes:
        start_date: First day, inclusive, on the dataset's date column.
        end_date: Last day, inclusive.
        account_ids: Only rows of these accounts.
        tag_ids: Only rows with any of these tags.
        enum_filters: By filter name: the values that rows may have.
        numeric_filters: By filter name: the range that numbers must lie in.
        columns: These columns, in this order.
    """

    start_date: date | str | None
    end_date: date | str | None
    account_ids: Sequence[str | UUID] | None
    tag_ids: Sequence[str | UUID] | None
    enum_filters: Mapping[str, Sequence[str]] | None
    numeric_filters: Mapping[str, Bounds] | None
    columns: Sequence[str] | None


class ExportOptions(SelectionOptions, total=False):
    """A selection, and options of the file.

    Attributes:
        format: ``parquet`` by default: it is small, and it keeps the types.
        compression: Compression of the file, or of its columns.
        timezone: Time zone of timestamps that have one, such as ``Europe/Berlin``.
        csv: Options of CSV files.
        xlsx: Options of workbooks.
        split: How to split a large export into several files in one zip.
    """

    format: Format | str | None
    compression: str | None
    timezone: str | None
    csv: Mapping[str, Any] | None
    xlsx: Mapping[str, Any] | None
    split: Mapping[str, Any] | None


class ListOptions(TypedDict, total=False):
    """Which exports to list; a missing value, or ``None``, does not restrict.

    Attributes:
        status: Only with this status, or with one of several.
        format: Only of this format, or of one of several.
        dataset: Only of this dataset, by name or id.
        created_after: Only created after this time.
        created_before: Only created before this time.
    """

    status: Status | str | Sequence[Status | str] | None
    format: Format | str | Sequence[Format | str] | None
    dataset: str | UUID | None
    created_after: datetime | None
    created_before: datetime | None


def dataset_id_of(dataset: str | UUID) -> UUID:
    """The id of a dataset given by id or name; ids are derived from names, so no request is needed."""
    try:
        return UUID(str(dataset))
    except ValueError:
        return dataset_id(str(dataset))


def create_body(dataset: str | UUID, options: ExportOptions) -> ExportCreate:
    """The body of a request for an export. Raises InvalidRequest, naming every invalid field."""
    given = {name: _plain(value) for name, value in options.items() if value is not None}
    return _checked(ExportCreate, {"format": Format.PARQUET, **given, "dataset_id": dataset_id_of(dataset)})


def filter_params(which: ListOptions, limit: int | None) -> dict[str, str | list[str]]:
    """The parameters of a request for a page of exports. Raises InvalidRequest, naming every invalid field."""
    given = {name: _plain(value) for name, value in which.items() if value is not None}
    for name in ("status", "format"):
        if isinstance(given.get(name), str):
            given[name] = [given[name]]
    if "dataset" in given:
        given["dataset_id"] = dataset_id_of(given.pop("dataset"))
    if limit is not None:
        given["limit"] = max(1, min(limit, MAX_LIST))
    return _params(_checked(ExportsQuery, given))


def preview_params(selection: SelectionOptions, limit: int) -> dict[str, str | list[str]]:
    """The parameters of a request for the first rows. Raises InvalidRequest, naming every invalid field."""
    given = {name: _plain(value) for name, value in selection.items() if value is not None}
    return _params(_checked(PreviewQuery, {**given, "limit": limit}))


def _params(query: BaseModel) -> dict[str, str | list[str]]:
    """Query parameters: lists are repeated, objects are JSON."""
    given = query.model_dump(mode="json", exclude_unset=True)
    written = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in given.items()}
    return {name: value if isinstance(value, list) else str(value) for name, value in written.items()}


def _checked(model: type[Model], given: Mapping[str, Any]) -> Model:
    try:
        return model.model_validate(given)
    except ValidationError as error:
        raise error_from_validation(error) from None


def _plain(value: Any) -> Any:  # noqa: ANN401 - any option
    """A value as plain JSON, so that the contract's rules apply."""
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value
