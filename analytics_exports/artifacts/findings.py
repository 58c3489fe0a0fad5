"""What writers notice while they write and readers of the file should know; it becomes the file's warnings."""

from collections import Counter
from enum import StrEnum

from analytics_exports.domain.formats import FileWarning


class Finding(StrEnum):
    """Something worth a warning, by its stable code."""

    NO_ROWS = "no_rows"
    GUARDED_TEXTS = "formula_guard"
    GUARDED_NAMES = "formula_guard_names"
    LONG_NUMBERS = "numbers_as_text"
    FAR_DATES = "dates_as_text"
    CUT_TEXTS = "texts_cut"
    MANY_SHEETS = "several_sheets"
    MANY_ROWS = "more_rows_than_a_sheet"


_SENTENCES = {
    Finding.NO_ROWS: "No row matches the request: the file holds the names of the columns only.",
    Finding.GUARDED_TEXTS: "Texts that begin like a formula and were marked as text: {count} in {columns}.",
    Finding.GUARDED_NAMES: "Column names that begin like a formula and were marked as text: {count}.",
    Finding.LONG_NUMBERS: "Numbers of more than 15 digits, written as text to keep them: {count} in {columns}.",
    Finding.FAR_DATES: "Dates outside a spreadsheet's calendar, written as text: {count} in {columns}.",
    Finding.CUT_TEXTS: "Texts cut to the 32,767 characters that a cell can hold: {count} in {columns}.",
    Finding.MANY_SHEETS: "The rows are on {count} sheets.",
    Finding.MANY_ROWS: "A spreadsheet shows only the first 1,048,576 lines of this file, which has {count} rows.",
}


class Findings:
    """A count of each finding, by column."""

    def __init__(self) -> None:
        """Nothing was found yet."""
        self._counts: dict[Finding, Counter[str]] = {}

    def add(self, finding: Finding, count: int, column: str = "") -> None:
        """Count ``count`` more cases."""
        if count:
            self._counts.setdefault(finding, Counter())[column] += count

    def warnings(self) -> tuple[FileWarning, ...]:
        """A warning for each finding, in the order of their definition."""
        return tuple(_warning(finding, self._counts[finding]) for finding in Finding if finding in self._counts)


def _warning(finding: Finding, found: Counter[str]) -> FileWarning:
    columns = f"{len(found)} columns" if len(found) > 1 else "one column"
    sentence = _SENTENCES[finding].format(count=f"{found.total():,}", columns=columns)
    return FileWarning(finding.value, sentence, found.total())
