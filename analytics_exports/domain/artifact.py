"""A published file: where it is, what it contains, and how to verify it.

Its plain form has the names under which the jobs table and Dagster's event log store these facts.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

from analytics_exports.domain.dataset import Column
from analytics_exports.domain.formats import ColumnFacts, FileWarning, Part


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A published file.

    Attributes:
        output_path: Its key in the artifact store, ``exports/{user_id}/{job_id}.{ending}``.
        sha256: Checksum of the whole file, in hex.
        version: Distinguishes the file from others under the same key; empty for files from before versions existed.
        columns: Names, types and numbers of NULLs as written.
        data_as_of: When the warehouse that was read was last built.
        parts: The files inside, when it is a zip of several.
        warnings: What its reader should know.
    """

    output_path: str
    row_count: int
    file_size_bytes: int
    sha256: str
    columns: tuple[ColumnFacts, ...]
    data_as_of: datetime
    parts: tuple[Part, ...] = ()
    warnings: tuple[FileWarning, ...] = ()
    version: str = ""

    def to_plain(self) -> dict[str, Any]:
        """These facts as plain JSON values."""
        return {
            "output_path": self.output_path,
            "row_count": self.row_count,
            "file_size_bytes": self.file_size_bytes,
            "sha256": self.sha256,
            "data_as_of": self.data_as_of.isoformat(),
            "schema": [{**asdict(facts.column), "null_count": facts.null_count} for facts in self.columns],
            "parts": [asdict(part) for part in self.parts],
            "warnings": [asdict(warning) for warning in self.warnings],
            "file_version": self.version,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """The artifact that ``to_plain`` wrote; other names are ignored.

        Raises:
            KeyError, TypeError, ValueError: it was not written by ``to_plain``.
        """
        return cls(
            output_path=_text(plain["output_path"]),
            row_count=whole_number(plain["row_count"]),
            file_size_bytes=whole_number(plain["file_size_bytes"]),
            sha256=_text(plain["sha256"]),
            data_as_of=datetime.fromisoformat(plain["data_as_of"]),
            columns=tuple(
                ColumnFacts(Column(item["name"], item["type"], item["description"]), item["null_count"])
                for item in plain["schema"]
            ),
            parts=tuple(Part(**item) for item in plain["parts"]),
            warnings=tuple(FileWarning(**item) for item in plain["warnings"]),
            version=_text(plain.get("file_version", "")),
        )


def whole_number(value: object) -> int:
    """``value``, if it is a whole number that a BIGINT column can hold. Raises TypeError or ValueError."""
    if not isinstance(value, int):
        raise TypeError
    if not 0 <= value < 2**63:
        raise ValueError
    return value


def _text(value: object) -> str:
    """``value``, if it is text that a TEXT column can hold. Raises TypeError or ValueError."""
    if not isinstance(value, str):
        raise TypeError
    if "\0" in value:
        raise ValueError
    return value
