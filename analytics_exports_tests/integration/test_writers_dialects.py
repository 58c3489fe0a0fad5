"""Golden files: the bytes of each CSV preset, and that a spreadsheet program shows the values of presets and XLSX."""

import csv
import io
import os
import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import polars as pl
import pytest

from analytics_exports.artifacts import LocalArtifactStore
from analytics_exports.domain.dataset import Column
from analytics_exports.domain.formats import Format, ending
from analytics_exports_tests.rows import FrameRows

FRAME = pl.DataFrame(
    {
        "booking_date": [date(2024, 1, 31), None],
        "created_at": [datetime(2024, 1, 31, 23, 59, 59, 500_000), None],  # noqa: DTZ001 - TIMESTAMP has no zone
        "seen_at": [datetime(2024, 7, 1, 12, tzinfo=UTC), None],
        "opens": [timedelta(hours=8, minutes=30), None],  # a TIME travels as the time since midnight
        "amount": [Decimal("-1234.50"), None],
        "rate": [0.1, None],
        "name": ['Bäcker "Ü", & Co;', ""],
        "formula": ["=1+1", None],
        "booked": [True, None],
        "tags": [["a", None], []],
        "blob": [b"\x00\xff", b""],
    },
    schema_overrides={"amount": pl.Decimal(18, 2)},
)
TYPES = (
    *("DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIME", "DECIMAL(18,2)", "DOUBLE", "VARCHAR", "VARCHAR"),
    *("BOOLEAN", "VARCHAR[]", "BLOB"),
)
COLUMNS = [Column(name, of) for name, of in zip(FRAME.columns, TYPES, strict=True)]
GOLDEN = {
    "standard": (
        "booking_date,created_at,seen_at,opens,amount,rate,name,formula,booked,tags,blob\n"
        "2024-01-31,2024-01-31T23:59:59.500,2024-07-01T12:00:00Z,08:30:00,-1234.50,0.1,"
        '"Bäcker ""Ü"", & Co;",\'=1+1,true,"[""a"",null]",00ff\n'
        ',,,,,,"",,,[],""\n'
    ),
    "excel": (
        "\ufeffbooking_date,created_at,seen_at,opens,amount,rate,name,formula,booked,tags,blob\r\n"
        "2024-01-31,2024-01-31 23:59:59.500,2024-07-01 14:00:00,08:30:00,-1234.50,0.1,"
        '"Bäcker ""Ü"", & Co;",\'=1+1,true,"[""a"",null]",00ff\r\n'
        ',,,,,,"",,,[],""\r\n'
    ),
    "excel-eu": (
        "\ufeffbooking_date;created_at;seen_at;opens;amount;rate;name;formula;booked;tags;blob\r\n"
        "2024-01-31;2024-01-31 23:59:59.500;2024-07-01 14:00:00;08:30:00;-1234,50;0,1;"
        '"Bäcker ""Ü"", & Co;";\'=1+1;true;"[""a"",null]";00ff\r\n'
        ';;;;;;"";;;[];""\r\n'
    ),
}


def exported(folder: Path, format: Format, options: dict[str, object]) -> Path:
    """A file that really went through the store."""
    store = LocalArtifactStore(folder, max_bytes=2**30, reserve_bytes=0)
    store.prepare()
    key = f"exports/{UUID(int=1)}/{UUID(int=2)}.{ending(format, options)}"
    with store.stage(key, 1) as staging:
        staging.write(FrameRows(FRAME), format, options, lambda rows, size: None, columns=COLUMNS)
        staging.publish()
    return folder / key


def of_preset(preset: str) -> dict[str, object]:
    return {"csv": {"preset": preset}, "timezone": "UTC" if preset == "standard" else "Europe/Berlin"}


@pytest.mark.parametrize("preset", GOLDEN)
def test_a_preset_makes_these_bytes(preset: str, tmp_path: Path) -> None:
    assert exported(tmp_path, Format.CSV, of_preset(preset)).read_bytes().decode() == GOLDEN[preset]


SOFFICE = shutil.which("soffice")
SHOWN = ["2024-01-31", "23:59:59", "2024-07-01", "08:30:00", "-1234.5", "0.1", 'Bäcker "Ü", & Co;', "=1+1", "a"]
SEPARATOR, LANGUAGE = {"excel-eu": ";"}, {"excel-eu": 1031}
"""What a reader of a preset has set: 1031 are the German conventions, 1033 the American ones, in which all is shown."""


@pytest.mark.skipif(SOFFICE is None, reason="LibreOffice is not installed")
@pytest.mark.parametrize("case", [*GOLDEN, "xlsx"])
def test_a_spreadsheet_program_shows_the_values(case: str, tmp_path: Path) -> None:
    is_sheet = case == "xlsx"
    made = Format.XLSX if is_sheet else Format.CSV
    source = exported(tmp_path / "store", made, {} if is_sheet else of_preset(case))
    delimiter, language = ord(SEPARATOR.get(case, ",")), LANGUAGE.get(case, 1033)
    reading = [] if is_sheet else [f"--infilter=CSV:{delimiter},34,76,1,,{language},false,true"]
    command = [str(SOFFICE), "--headless", f"-env:UserInstallation=file://{tmp_path}/profile", *reading]
    shown = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true"
    target = ["--convert-to", shown, "--outdir", f"{tmp_path}/shown"]
    subprocess.run(
        [*command, *target, str(source)],
        check=True,
        capture_output=True,
        timeout=100,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    (path,) = (tmp_path / "shown").iterdir()
    header, row, *_ = csv.reader(io.StringIO(path.read_text(encoding="utf-8-sig"), newline=""))

    assert header == FRAME.columns
    for expected in SHOWN:
        assert any(expected in cell for cell in row), (expected, row)
