"""Which rows and columns of a dataset are requested.

A Selection is shared by queries, previews, estimates and exports. ``None`` means "not restricted"; an empty tuple means
"matches nothing". ``check_selection`` validates it before the warehouse compiles it: it returns the selection with
names as the warehouse writes them, or reports every problem found. Whether ids belong to the caller is checked in
``services.datasets``, because that needs the database.

Its plain form is how the jobs table and Dagster store the filters, under the names of the HTTP contract.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Any, Self

from analytics_exports.domain.dataset import Dataset
from analytics_exports.domain.errors import FieldProblem, InvalidRequest


@dataclass(frozen=True, slots=True)
class EnumChoice:
    """Rows whose column ``name`` is one of ``values``."""

    name: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NumericRange:
    """Rows whose column ``name`` is a number from ``minimum`` to ``maximum``, both inclusive; ``None`` is open."""

    name: str
    minimum: Decimal | None = None
    maximum: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Filters and columns.

    Attributes:
        start_date: First day, inclusive, on the dataset's date column.
        end_date: Last day, inclusive.
        account_ids: Rows of any of these accounts.
        tag_ids: Rows that carry any of these tags.
        columns: These columns in this order; ``None`` is all columns in the table's order.
    """

    start_date: date | None = None
    end_date: date | None = None
    account_ids: tuple[str, ...] | None = None
    tag_ids: tuple[str, ...] | None = None
    enum_filters: tuple[EnumChoice, ...] = ()
    numeric_filters: tuple[NumericRange, ...] = ()
    columns: tuple[str, ...] | None = None

    def plain_filters(self) -> dict[str, Any]:
        """The filters that restrict, as plain JSON values; numbers as text, so that no digit is lost."""
        filters: dict[str, Any] = {
            "start_date": self.start_date and self.start_date.isoformat(),
            "end_date": self.end_date and self.end_date.isoformat(),
            "account_ids": None if self.account_ids is None else list(self.account_ids),
            "tag_ids": None if self.tag_ids is None else list(self.tag_ids),
            "enum_filters": {choice.name: list(choice.values) for choice in self.enum_filters} or None,
            "numeric_filters": {item.name: _plain_bounds(item) for item in self.numeric_filters} or None,
        }
        return {name: value for name, value in filters.items() if value is not None}

    @classmethod
    def from_plain(cls, filters: Mapping[str, Any], columns: Sequence[str] | None) -> Self:
        """The selection with the filters that ``plain_filters`` returned.

        Raises:
            AttributeError, TypeError, ValueError: they are damaged.
        """
        return cls(
            start_date=_date(filters.get("start_date")),
            end_date=_date(filters.get("end_date")),
            account_ids=_tuple(filters.get("account_ids")),
            tag_ids=_tuple(filters.get("tag_ids")),
            enum_filters=tuple(EnumChoice(name, tuple(some)) for name, some in filters.get("enum_filters", {}).items()),
            numeric_filters=tuple(
                NumericRange(name, _decimal(bounds.get("min")), _decimal(bounds.get("max")))
                for name, bounds in filters.get("numeric_filters", {}).items()
            ),
            columns=_tuple(columns),
        )


def check_selection(selection: Selection, dataset: Dataset) -> Selection:
    """Return ``selection`` with names as the warehouse writes them.

    Raises:
        InvalidRequest: naming every field that is wrong or does not apply to ``dataset``.
    """
    problems = tuple(_problems(selection, dataset))
    if problems:
        raise InvalidRequest(*problems)
    columns = {name.lower(): name for name in dataset.columns_by_name()}
    return replace(
        selection,
        enum_filters=tuple(replace(choice, name=columns[choice.name.lower()]) for choice in selection.enum_filters),
        numeric_filters=tuple(replace(item, name=columns[item.name.lower()]) for item in selection.numeric_filters),
        columns=selection.columns and tuple(columns[name.lower()] for name in selection.columns),
    )


def _problems(selection: Selection, dataset: Dataset) -> Iterator[FieldProblem]:
    yield from _dates(selection, dataset)
    offers = dataset.filters
    if selection.account_ids is not None and offers.account_id_column is None:
        yield FieldProblem("/account_ids", "This dataset has no account filter.")
    if selection.tag_ids is not None and offers.tag_id_column is None:
        yield FieldProblem("/tag_ids", "This dataset has no tag filter.")
    yield from _enums(selection, dataset)
    yield from _numbers(selection, dataset)
    yield from _columns(selection, dataset)


def _dates(selection: Selection, dataset: Dataset) -> Iterator[FieldProblem]:
    start, end = selection.start_date, selection.end_date
    if dataset.filters.date_column is None:
        for field, value in (("start_date", start), ("end_date", end)):
            if value is not None:
                yield FieldProblem(f"/{field}", "This dataset has no date filter.")
    elif start and end and start > end:
        yield FieldProblem("/end_date", "The end date is before the start date.")


def _enums(selection: Selection, dataset: Dataset) -> Iterator[FieldProblem]:
    offered = {item.name.lower(): frozenset(item.options) for item in dataset.filters.enum_filters}
    names = [choice.name.lower() for choice in selection.enum_filters]
    yield from _names("enum_filters", names, offered)
    for choice in selection.enum_filters:
        options = offered.get(choice.name.lower())
        if options is not None and not options.issuperset(choice.values):
            yield FieldProblem(f"/enum_filters/{choice.name}", "A value is not one of this filter's options.")


def _numbers(selection: Selection, dataset: Dataset) -> Iterator[FieldProblem]:
    offered = {item.name.lower() for item in dataset.filters.numeric_filters}
    names = [item.name.lower() for item in selection.numeric_filters]
    yield from _names("numeric_filters", names, offered)
    for item in selection.numeric_filters:
        if item.name.lower() in offered:
            yield from _range(f"/numeric_filters/{item.name}", item)


def _range(pointer: str, item: NumericRange) -> Iterator[FieldProblem]:
    bounds = [bound for bound in (item.minimum, item.maximum) if bound is not None]
    if not bounds or not all(bound.is_finite() for bound in bounds):
        yield FieldProblem(pointer, "A range needs a minimum or a maximum, and both must be finite.")
    elif bounds != sorted(bounds):
        yield FieldProblem(pointer, "The maximum is below the minimum.")


def _names(field: str, names: Sequence[str], offered: Collection[str]) -> Iterator[FieldProblem]:
    """Problems with the names of filters. An unknown name is not repeated: it may contain anything."""
    if not set(names).issubset(offered):
        choices = ", ".join(sorted(offered)) or "none"
        yield FieldProblem(f"/{field}", f"This dataset has no filter of that name; it has: {choices}.")
    if len(set(names)) < len(names):
        yield FieldProblem(f"/{field}", "A filter is named twice.")


def _columns(selection: Selection, dataset: Dataset) -> Iterator[FieldProblem]:
    known = {column.name.lower() for column in dataset.columns}
    for number, name in enumerate(selection.columns or ()):
        if name.lower() not in known:
            yield FieldProblem(f"/columns/{number}", "This dataset has no such column.")
    if selection.columns == ():
        yield FieldProblem("/columns", "Name at least one column, or leave the field out for all.")
    names = [name.lower() for name in selection.columns or ()]
    if len(set(names)) < len(names):
        yield FieldProblem("/columns", "A column is named twice.")


def _plain_bounds(item: NumericRange) -> dict[str, str]:
    bounds = {"min": item.minimum, "max": item.maximum}
    return {name: str(bound) for name, bound in bounds.items() if bound is not None}


def _date(value: str | None) -> date | None:
    return None if value is None else date.fromisoformat(value)


def _decimal(value: str | None) -> Decimal | None:
    return None if value is None else Decimal(value)


def _tuple(values: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)
