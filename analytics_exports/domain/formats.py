"""File formats by name: in requests, file names and HTTP headers, and the facts of a finished file.

Writing a format belongs to ``artifacts``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from analytics_exports.domain.dataset import Column


class Format(StrEnum):
    """The formats an export can have."""

    CSV = "csv"
    PARQUET = "parquet"
    NDJSON = "ndjson"
    ARROW = "arrow"
    XLSX = "xlsx"


@dataclass(frozen=True, slots=True)
class FormatFacts:
    """What clients need to know about a format. ``media_type`` is the HTTP Content-Type of the plain file."""

    media_type: str
    hint: str


FORMATS: Mapping[Format, FormatFacts] = MappingProxyType(
    {
        Format.CSV: FormatFacts("text/csv; charset=utf-8; header=present", "Opens everywhere."),
        Format.PARQUET: FormatFacts("application/vnd.apache.parquet", "Small and typed, for notebooks and databases."),
        Format.NDJSON: FormatFacts("application/x-ndjson", "One JSON object a line, for programs."),
        Format.ARROW: FormatFacts("application/vnd.apache.arrow.file", "Typed and fastest to load, for data frames."),
        Format.XLSX: FormatFacts(
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", "For Excel; slowest to make."
        ),
    }
)

_ENVELOPES = {"gzip": (".gz", "application/gzip"), "zstd": (".zst", "application/zstd")}
_TEXT = frozenset({Format.CSV, Format.NDJSON})
_SPLIT = (".zip", "application/zip")

MEDIA_TYPES = (
    *(facts.media_type for facts in FORMATS.values()),
    *(media_type for _, media_type in (*_ENVELOPES.values(), _SPLIT)),
)
"""Every HTTP Content-Type that a file can have."""


def ending(format: Format, options: Mapping[str, object]) -> str:
    """The extension of a file, without a leading dot: ``csv``, ``csv.gz``, ``csv.zip`` for a split export."""
    return f"{format}{_envelope(format, options)[0]}"


def media_type(format: Format, options: Mapping[str, object]) -> str:
    """The HTTP Content-Type of a file."""
    return _envelope(format, options)[1] or FORMATS[format].media_type


def _envelope(format: Format, options: Mapping[str, object]) -> tuple[str, str]:
    """The extension (with its dot) and media type that compression or splitting add to the plain file."""
    if options.get("split"):
        return _SPLIT
    return _ENVELOPES.get(str(options.get("compression")), ("", "")) if format in _TEXT else ("", "")


@dataclass(frozen=True, slots=True)
class FileWarning:
    """Something about a finished file that its reader should know.

    Attributes:
        code: Stable machine-readable name.
        detail: A sentence. It names columns but no values.
        count: The number of cells, columns or rows concerned.
    """

    code: str
    detail: str
    count: int


@dataclass(frozen=True, slots=True)
class ColumnFacts:
    """A column of a finished file, and how many of its cells are NULL."""

    column: Column
    null_count: int


@dataclass(frozen=True, slots=True)
class Part:
    """One file inside the zip of an export that was split. ``sha256`` is in hex."""

    name: str
    row_count: int
    file_size_bytes: int
    sha256: str
