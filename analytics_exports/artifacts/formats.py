"""What a format is to the rest of this package, and the table of all of them.

A format is a pydantic model: its fields are the options that a request can give, and its methods write and count. So
whatever can be asked for is validated, documented and listed from one definition. To add a format: a module in
``writers``, one line in ``_MODELS``, its name in ``domain.formats``.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from importlib import import_module
from io import UnsupportedOperation
from typing import Any, BinaryIO, ClassVar, Protocol

import polars as pl
from pydantic import Field, ValidationError

from analytics_exports.artifacts.findings import Findings
from analytics_exports.artifacts.layout import Layout
from analytics_exports.artifacts.options import Options, Split, problems
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


class RowWriter(Protocol):
    """One file that is being written. A file that is not finished is of no use to anybody."""

    def write(self, rows: pl.DataFrame) -> None:
        """Write a batch; batches have the layout's columns, and at least one row."""

    def finish(self) -> None:
        """Write what comes after the last row. The file below stays open."""


class FileFormat(Options, ABC):
    """A format with its options."""

    format: ClassVar[Format]

    split: Split | None = Field(None, description="Make several files in one zip instead of one large file.")

    @property
    def ending(self) -> str:
        """How the name of one file ends."""
        return ending(self.format, self.model_dump(exclude={"split"}))

    @abstractmethod
    def open(self, file: BinaryIO, layout: Layout, findings: Findings) -> RowWriter:
        """Begin a file; what readers should know of it is added to ``findings``."""

    @abstractmethod
    def count(self, file: BinaryIO) -> int:
        """How many rows a finished file has, by reading it as others would."""

    def read(self, file: BinaryIO) -> pl.DataFrame:  # noqa: ARG002 - for those that are
        """The rows of a finished file, with the types that the format keeps.

        Raises:
            UnsupportedOperation: the format is not made for reading back.
        """
        raise UnsupportedOperation(f"Files of the format {self.format} are not read back; export in another one.")


def file_format(format: Format, options: Mapping[str, object]) -> FileFormat:
    """A format with the options that a request gives it.

    Raises:
        InvalidRequest: naming every option that is wrong or that this format does not have.
    """
    try:
        return _model(format).model_validate(options)
    except ValidationError as error:
        raise InvalidRequest(*problems(error)) from None


def check_options(format: Format, options: Mapping[str, object]) -> Mapping[str, object]:
    """The options of a request as they are stored: plain JSON values. Raises as ``file_format``, which takes them."""
    return file_format(format, options).model_dump(mode="json", exclude_unset=True)


def describe_options() -> Mapping[Format, dict[str, Any]]:
    """The options of each format as a JSON Schema, with descriptions and defaults."""
    return {known: _model(known).model_json_schema() for known in Format}


def _model(format: Format) -> type[FileFormat]:
    """The class of a format; its module is loaded on first use."""
    module, _, name = _MODELS[format].partition(".")
    found: type[FileFormat] = getattr(import_module(f"{_WRITERS}.{module}"), name)
    return found
