"""Warnings about a file for its readers, collected while it is written."""

from collections import Counter
from enum import StrEnum

from analytics_exports.domain.formats import FileWarning


class WarningCode(StrEnum):
    """Stable codes of warnings."""

    NO_ROWS = "no_rows"
    FORMULA_TEXTS = "formula_guard"
    FORMULA_NAMES = "formula_guard_names"
    LONG_NUMBERS = "numbers_as_text"
    FAR_DATES = "dates_as_text"
    TRUNCATED_TEXTS = "texts_cut"
    MANY_SHEETS = "several_sheets"
    MANY_ROWS = "more_rows_than_a_sheet"


_SENTENCES = {
    WarningCode.NO_ROWS: "No row matches the request: the file holds the names of the columns only.",
    WarningCode.FORMULA_TEXTS: "Texts that begin like a formula and were marked as text: {count} in {columns}.",
    WarningCode.FORMULA_NAMES: "Column names that begin like a formula and were marked as text: {count}.",
    WarningCode.LONG_NUMBERS: "Numbers of more than 15 digits, written as text to keep them: {count} in {columns}.",
    WarningCode.FAR_DATES: "Dates outside a spreadsheet's calendar, written as text: {count} in {columns}.",
    WarningCode.TRUNCATED_TEXTS: "Texts cut to the 32,767 characters that a cell can hold: {count} in {columns}.",
    WarningCode.MANY_SHEETS: "The rows are on {count} sheets.",
    WarningCode.MANY_ROWS: "A spreadsheet shows only the first 1,048,576 lines of this file, which has {count} rows.",
}


class WarningCollector:
    """Counts warnings by code and column."""

    def __init__(self) -> None:
        """Begin without warnings."""
        self._counts: dict[WarningCode, Counter[str]] = {}

    def add(self, code: WarningCode, count: int, column: str = "") -> None:
        """Add ``count`` cases."""
        if count:
            self._counts.setdefault(code, Counter())[column] += count

    def collected(self) -> tuple[FileWarning, ...]:
        """A warning for each finding, in the order of their definition."""
        return tuple(_warning(code, self._counts[code]) for code in WarningCode if code in self._counts)


def _warning(code: WarningCode, found: Counter[str]) -> FileWarning:
    columns = f"{len(found)} columns" if len(found) > 1 else "one column"
    sentence = _SENTENCES[code].format(count=f"{found.total():,}", columns=columns)
    return FileWarning(code.value, sentence, found.total())
