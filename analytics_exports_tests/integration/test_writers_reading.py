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

FRAME = pl.DataFrame({"number": [1, 2, None], "rate": [0.5, None, 2.25], "name": ["a;b", "", None]})
TYPED = FRAME.with_columns(day=pl.Series([date(2024, 1, 31), None, date(2024, 2, 1)]))


def read_back(folder: Path, frame: pl.DataFrame, format: Format, options: dict[str, Any]) -> pl.DataFrame:
    store = LocalArtifactStore(folder, max_bytes=2**30, reserve_bytes=0)
    store.prepare()
    key = f"exports/{UUID(int=1)}/{UUID(int=2)}.{ending(format, options)}"
    with store.stage(key, 1) as staging:
        staging.write(frame.lazy(), format, options, lambda rows, size: None)
        staging.publish()
    with (folder / key).open("rb") as file:
        return writing.read(file, format, options)


@pytest.mark.parametrize("options", [{}, {"split": {"rows": 2}}])
@pytest.mark.parametrize("format", [Format.PARQUET, Format.ARROW])
def test_formats_with_types_give_the_same_frame(format: Format, options: dict[str, Any], tmp_path: Path) -> None:
    assert read_back(tmp_path, TYPED, format, options).equals(TYPED)


@pytest.mark.parametrize(
    ("format", "options"),
    [
        (Format.CSV, {}),
        (Format.CSV, {"csv": {"preset": "excel-eu"}}),
        (Format.CSV, {"csv": {"null": "NULL"}, "compression": "gzip"}),
        (Format.CSV, {"split": {"rows": 2}}),
        (Format.NDJSON, {}),
        (Format.NDJSON, {"compression": "zstd"}),
    ],
)
def test_text_formats_give_the_same_values(format: Format, options: dict[str, Any], tmp_path: Path) -> None:
    assert read_back(tmp_path, FRAME, format, options).equals(FRAME)


def test_workbooks_are_for_people(tmp_path: Path) -> None:
    with pytest.raises(UnsupportedOperation, match="another one"):
        read_back(tmp_path, FRAME, Format.XLSX, {})
