"""Which rows a caller must get, in plain Python over the rows themselves. Knows nothing of SQL or of the compiler.

Compares texts with texts and numbers with numbers, one row at a time, in the simplest way there is.
"""

import math
import sys
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.dataset import Dataset
from analytics_exports.domain.selection import NumericRange, Selection
from analytics_exports_tests.isolation.generated_data import Row


def expected(dataset: Dataset, rows: Iterable[Row], scope: OwnerScope, selection: Selection) -> list[Row]:
    """The caller's rows that ``selection`` asks for, by date and then by the unique key; what is NULL comes last."""
    kept = [row for row in rows if owns(scope, row[dataset.owner_column]) and selects(dataset, selection, row)]
    day = dataset.filters.date_column
    names = (*((day,) if day else ()), *dataset.unique_key)
    return sorted(kept, key=lambda row: [_place(row[name]) for name in names])


def owns(scope: OwnerScope, owner: object) -> bool:
    """Whether an owner cell is the caller's: spelt exactly as the caller's key."""
    return is_one_of(owner, (scope.owner_key,))


def selects(dataset: Dataset, selection: Selection, row: Row) -> bool:
    """Whether every filter lets the row pass. NULL passes none."""
    offers = dataset.filters
    day = row[offers.date_column] if offers.date_column else None
    return (
        (selection.start_date is None or (day is not None and day_of(day) >= selection.start_date))
        and (selection.end_date is None or (day is not None and day_of(day) <= selection.end_date))
        and (selection.account_ids is None or is_one_of(row[str(offers.account_id_column)], selection.account_ids))
        and (selection.tag_ids is None or is_one_of(row[str(offers.tag_id_column)], selection.tag_ids))
        and all(is_one_of(row[choice.name], choice.values) for choice in selection.enum_filters)
        and all(is_between(row[bounds.name], bounds) for bounds in selection.numeric_filters)
    )


def is_one_of(cell: object, texts: Iterable[str]) -> bool:
    """Whether a cell, or one of the elements of a list, is spelt as one of ``texts``."""
    elements = cell if isinstance(cell, list) else [cell]
    return any(element is not None and str(element) == text for element in elements for text in texts)


def is_between(cell: object, bounds: NumericRange) -> bool:
    """Whether a number is in the range. A bound on floats is the nearest float to it; NaN is in no range."""
    if cell is None:
        return False
    if isinstance(cell, float):
        low, high = _float(bounds.minimum, -math.inf), _float(bounds.maximum, math.inf)
        return low <= cell <= high
    assert isinstance(cell, int | Decimal)
    return (bounds.minimum is None or cell >= bounds.minimum) and (bounds.maximum is None or cell <= bounds.maximum)


def day_of(cell: object) -> date:
    """The day that a date or a point in time belongs to, in UTC."""
    if isinstance(cell, datetime):
        return (cell.astimezone(UTC) if cell.tzinfo else cell).date()
    assert isinstance(cell, date)
    return cell


def _float(bound: Decimal | None, open_end: float) -> float:
    """The nearest float. A bound beyond all floats is still below, or above, infinity."""
    if bound is None:
        return open_end
    nearest = float(bound)
    return math.copysign(sys.float_info.max, nearest) if math.isinf(nearest) and nearest == open_end else nearest


def _place(cell: object) -> tuple[bool, Any]:
    return (True, None) if cell is None else (False, cell)
