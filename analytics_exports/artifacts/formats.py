"""The base class of file formats, and the table of all formats.

A format is a pydantic model: its fields are the options of a request, its methods write and count. So every option is
validated, documented and listed from one definition. To add a format, add a module to ``writers``, a line to
``_MODELS``, and its name to ``domain.formats``.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from io import UnsupportedOperation
from typing import Any, BinaryIO, ClassVar, Protocol, TypeVar

import polars as pl
from pydantic import Field, ValidationError

from analytics_exports.artifacts.layout import Layout
from analytics_exports.artifacts.options import Options, Split, problems
from analytics_exports.artifacts.warning_collector import WarningCollector
from analytics_exports.domain.errors import InvalidRequest
from analytics_exports.domain.formats import Format, ending

_WRITERS = "analytics_exports.artifacts.writers"
_MODELS = {
    Format.CSV: "delimited.Csv",
    Format.PARQUET: "parquet.Parquet",
    Format.NDJSON: "ndjson.Ndjson",
    Format.ARROW: "arrow.Arrow",
    Format.XLSX: "spreadsheet.Xlsx",
}


_Encoded = TypeVar("_Encoded")


class RowWriter(Protocol[_Encoded]):
    """Writes one file, in two steps for each batch, which run in different threads. An unfinished file is invalid."""

    def encode(self, rows: pl.DataFrame) -> _Encoded:
        """A batch as it is written; it has the layout's columns, and at least one row.

        Batches are encoded in their order, each while those before it are still being written.
        """

    def write(self, encoded: _Encoded) -> None:
        """Write a batch that ``encode`` returned."""

    def finish(self) -> None:
        """Write the end of the file. The underlying file stays open."""


class FileFormat(Options, ABC):
    """A format with its options."""

    format: ClassVar[Format]

    split: Split | None = Field(None, description="Make several files in one zip instead of one large file.")

    @property
    def ending(self) -> str:
        """The extension of one file."""
        return ending(self.format, self.model_dump(exclude={"split"}))

    @abstractmethod
    def open(self, file: BinaryIO, layout: Layout, warnings: WarningCollector) -> RowWriter[Any]:
        """Begin a file; warnings for its readers are added to ``warnings``."""

    @abstractmethod
    def count(self, file: BinaryIO) -> int:
        """The number of rows of a finished file, read as a client would read it."""

    def read(self, file: BinaryIO) -> pl.DataFrame:  # noqa: ARG002 - for those that are
        """The rows of a finished file, with the types that the format keeps.

        Raises:
            UnsupportedOperation: the format is not read back.
        """
        raise UnsupportedOperation(f"Files of the format {self.format} are not read back; export in another one.")


def file_format(format: Format, options: Mapping[str, object]) -> FileFormat:
    """A format with the options of a request.

    Raises:
        InvalidRequest: naming every option that is invalid or unknown to this format.
    """
    try:
        return _model(format).model_validate(options)
    except ValidationError as error:
        raise InvalidRequest(*problems(error)) from None


def check_options(format: Format, options: Mapping[str, object]) -> Mapping[str, object]:
    """The options of a request as they are stored: plain JSON values. Raises as ``file_format``."""
    return file_format(format, options).model_dump(mode="json", exclude_unset=True)


@cache
def describe_options() -> Mapping[Format, dict[str, Any]]:
    """The options of each format as a JSON Schema, with descriptions and defaults."""
    return {known: _model(known).model_json_schema() for known in Format}


def _model(format: Format) -> type[FileFormat]:
    """The class of a format; its module is imported on first use."""
    module, _, name = _MODELS[format].partition(".")
    found: type[FileFormat] = getattr(import_module(f"{_WRITERS}.{module}"), name)
    return found
