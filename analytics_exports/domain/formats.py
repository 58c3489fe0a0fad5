"""File formats by name: what they are called in requests, file names and HTTP headers.

How a format is written belongs to ``artifacts``.
"""

from dataclasses import dataclass
from enum import StrEnum


class Format(StrEnum):
    """The formats an export can have."""

    CSV = "csv"
    PARQUET = "parquet"


@dataclass(frozen=True, slots=True)
class FormatFacts:
    """What the outside needs to know about a format. ``media_type`` is the HTTP Content-Type of the plain file."""

    media_type: str
    hint: str


FORMATS: dict[Format, FormatFacts] = {
    Format.CSV: FormatFacts("text/csv; charset=utf-8; header=present", "Opens everywhere."),
    Format.PARQUET: FormatFacts("application/vnd.apache.parquet", "Small and typed, for notebooks and databases."),
}
