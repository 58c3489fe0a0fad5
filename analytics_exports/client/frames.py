"""Loading files as data frames. The libraries are imported when used; a missing one is named.

Only formats that keep types are loaded: inferring the types of a text file could change values silently.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from analytics_exports.client.errors import LibraryMissing, NoTypes
from analytics_exports.contract.responses import ExportOut
from analytics_exports.domain.formats import Format

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa


def to_polars(facts: ExportOut) -> "Callable[[Path], pl.DataFrame]":
    """A reader for the file of this export. Raises NoTypes or LibraryMissing."""
    _require_types(facts)
    polars = _library("polars")
    if facts.format is Format.PARQUET:
        return lambda file: polars.read_parquet(file, hive_partitioning=False)
    return lambda file: polars.read_ipc(file)  # noqa: PLW0108 (mypy: the module is Any)


def to_arrow(facts: ExportOut) -> "Callable[[Path], pa.Table]":
    """A reader for the file of this export. Raises NoTypes or LibraryMissing."""
    _require_types(facts)
    _library("pyarrow")
    if facts.format is Format.PARQUET:
        parquet = import_module("pyarrow.parquet")
        return lambda file: parquet.read_table(file, partitioning=None)
    feather = import_module("pyarrow.feather")
    return lambda file: feather.read_table(file, memory_map=False)


def to_pandas(facts: ExportOut) -> "Callable[[Path], pd.DataFrame]":
    """A reader of files in this format; columns keep their Arrow types. Raises NoTypes or LibraryMissing."""
    pandas = _library("pandas")
    read = to_arrow(facts)
    return lambda file: read(file).to_pandas(types_mapper=pandas.ArrowDtype)


def _require_types(facts: ExportOut) -> None:
    if facts.format not in {Format.PARQUET, Format.ARROW}:
        raise NoTypes
    if "split" in facts.options:
        raise NoTypes("A file that was split is a zip of several; use download().")


def _library(name: str) -> Any:  # noqa: ANN401 - a module known at run time only
    try:
        return import_module(name)
    except ImportError as reason:
        raise LibraryMissing(
            f"This needs the library {name}; install it with: pip install 'analytics-exports[{name}]'"
        ) from reason
