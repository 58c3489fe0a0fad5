"""Files that are read back as frames, for whoever takes an export as an input."""

from datetime import date
from io import UnsupportedOperation
from pathlib import Path
from typing import Any
from uuid import UUID

import polars as pl
import pytest

from analytics_exports.artifacts import LocalArtifactStore, writing
from analytics_exports.domain.formats import Format, ending
from analytics_exports_tests.rows import FrameRows

FRAME = pl.DataFrame({"number": [1, 2, None], "rate": [0.5, None, 2.25], "name": ["a;b", "", None]})
TYPED = FRAME.with_columns(day=pl.Series([date(2024, 1, 31), None, date(2024, 2, 1)]))
LONG = pl.concat([TYPED] * 500)
SPLIT = {"split": {"rows": 1000}}


def read_back(folder: Path, frame: pl.DataFrame, format: Format, options: dict[str, Any]) -> pl.DataFrame:
    store = LocalArtifactStore(folder, max_bytes=2**30, reserve_bytes=0)
    store.prepare()
    key = f"exports/{UUID(int=1)}/{UUID(int=2)}.{ending(format, options)}"
    with store.stage(key, 1) as staging:
        staging.write(FrameRows(frame), format, options, lambda rows, size: None)
        staging.publish()
    with (folder / key).open("rb") as file:
        return writing.read_file(file, format, options)


@pytest.mark.parametrize("options", [{}, SPLIT])
@pytest.mark.parametrize("format", [Format.PARQUET, Format.ARROW])
def test_formats_with_types_give_the_same_frame(format: Format, options: dict[str, Any], tmp_path: Path) -> None:
    assert read_back(tmp_path, LONG, format, options).equals(LONG)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"csv": {"preset": "excel-eu"}},
        {"csv": {"null": "NULL"}, "compression": "gzip"},
        {"split": {"bytes": 2**20}},
    ],
)
def test_csv_gives_the_same_values(options: dict[str, Any], tmp_path: Path) -> None:
    assert read_back(tmp_path, FRAME, Format.CSV, options).equals(FRAME)


@pytest.mark.parametrize("options", [{}, {"compression": "zstd"}, SPLIT])
def test_ndjson_gives_the_same_values_with_long_numbers_as_text(options: dict[str, Any], tmp_path: Path) -> None:
    found = read_back(tmp_path, LONG.drop("day"), Format.NDJSON, options)

    assert found.equals(LONG.drop("day").cast({"number": pl.String}))


def test_workbooks_are_for_people(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperation, match="another one"):
        read_back(tmp_path, FRAME, Format.XLSX, {})
