"""As what values appear in files: any text, dates that no calendar has, and texts that look like formulas."""

import csv
import io
import json
import os
import re
from dataclasses import replace

import openpyxl
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_exports.artifacts.cells import TRIGGERS
from analytics_exports.artifacts.formats import file_format
from analytics_exports.artifacts.hashing_writer import FileLimits, LocalFileWriter
from analytics_exports.artifacts.writing import write_file
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.dataset import Column
from analytics_exports.domain.errors import TooLarge
from analytics_exports.domain.formats import Format
from analytics_exports.encoding.times import DAY_UNITS, TimeStyle, are_ordinary
from analytics_exports_tests.rows import FrameRows

TEXTS = st.lists(st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=8), min_size=1, max_size=8)
FORMULAS = TEXTS | st.lists(st.sampled_from(["=1+1", "-5", "\uff0b1", "\t", "\0=", "'=1", "a=", " =1", ""]), min_size=1)


def written(
    frame: pl.DataFrame, format: Format, options: dict[str, object] | None = None, types: tuple[str, ...] = ()
) -> tuple[bytes, Artifact]:
    """The bytes of a file of ``frame``, written in memory."""
    descriptor = os.memfd_create("export")
    with os.fdopen(descriptor, "rb") as file:
        writer = LocalFileWriter(descriptor, FileLimits(2**30, 0))
        columns = [Column(name, of) for name, of in zip(frame.columns, types, strict=True)] if types else None
        chosen = file_format(format, options or {})
        content = write_file(FrameRows(frame), writer, chosen, lambda rows, size: None, columns=columns, facts={})
        file.seek(0)
        return file.read(), content


def sheet(content: bytes, title: str = "Data") -> list[list[object]]:
    return [[cell.value for cell in row] for row in openpyxl.load_workbook(io.BytesIO(content))[title].iter_rows()]


@given(TEXTS)
def test_any_text_comes_back_from_json(texts: list[str | None]) -> None:
    content, _ = written(pl.DataFrame({"text": texts}, schema={"text": pl.String}), Format.NDJSON)

    assert [json.loads(line)["text"] for line in content.split(b"\n")[:-1]] == texts


@given(TEXTS)
def test_any_text_comes_back_from_csv(texts: list[str | None]) -> None:
    frame = pl.DataFrame({"text": texts, "end": [1] * len(texts)}, schema={"text": pl.String, "end": pl.Int32})
    content, _ = written(frame, Format.CSV, {"csv": {"formula_guard": False}})
    rows = list(csv.DictReader(io.StringIO(content.decode(), newline="")))

    assert [row["text"] for row in rows] == [text or "" for text in texts]


@given(TEXTS)
def test_any_text_comes_back_from_xlsx(texts: list[str | None]) -> None:
    frame = pl.DataFrame({"text": texts, "end": [1] * len(texts)}, schema={"text": pl.String, "end": pl.Int32})
    content, _ = written(frame, Format.XLSX)
    found = [str(text or "") for text, _ in sheet(content)[1:]]

    plain = [re.sub("_x([0-9A-F]{4})_", lambda match: chr(int(match[1], 16)), text) for text in found]
    assert plain == [text or "" for text in texts]


@given(FORMULAS)
def test_no_text_of_a_csv_begins_like_a_formula(texts: list[str | None]) -> None:
    frame = pl.DataFrame({"text": texts, "end": [1] * len(texts)}, schema={"text": pl.String, "end": pl.Int32})
    content, facts = written(frame, Format.CSV, {"csv": {"quote_all": True}})
    found = [row["text"] for row in csv.DictReader(io.StringIO(content.decode(), newline=""))]
    dangerous = [text for text in texts if text and text.startswith(TRIGGERS)]

    assert not any(text.startswith(TRIGGERS) for text in found)
    assert found == [f"'{text}" if text in dangerous else text or "" for text in texts]
    assert [warning.count for warning in facts.warnings] == ([len(dangerous)] if dangerous else [])


@pytest.mark.parametrize("format", [Format.CSV, Format.XLSX])
def test_the_guard_can_be_switched_off(format: Format) -> None:
    off: dict[str, object] = {format.value: {"formula_guard": False}}
    frame = pl.DataFrame({"=name": ["=1+1", "a"]})

    assert [(warning.code, warning.detail) for warning in written(frame, format)[1].warnings] == [
        ("formula_guard", "Texts that begin like a formula and were marked as text: 1 in one column."),
        ("formula_guard_names", "Column names that begin like a formula and were marked as text: 1."),
    ]
    assert written(frame, format, off)[1].warnings == ()
    if format is Format.CSV:
        assert written(frame, format, off)[0] == b"=name\n=1+1\na\n"
        assert written(frame, format)[0] == b"'=name\n'=1+1\na\n"


def test_numbers_and_json_are_never_guarded() -> None:
    frame = pl.DataFrame({"number": [-5], "decimal": ["-1.50"], "json": ["-5"], "interval": ["-1 day"]}).with_columns(
        pl.col("decimal").cast(pl.Decimal(4, 2))
    )
    content, facts = written(frame, Format.CSV, types=("INTEGER", "DECIMAL(4,2)", "JSON", "INTERVAL"))

    assert content.decode() == "number,decimal,json,interval\n-5,-1.50,-5,-1 day\n"
    assert facts.warnings == ()


def test_a_spreadsheet_keeps_a_guarded_text_as_it_is_and_as_text() -> None:
    content, _ = written(pl.DataFrame({"text": ["=1+1", "plain"]}), Format.XLSX)
    cells = list(openpyxl.load_workbook(io.BytesIO(content))["Data"]["A"])

    assert [(cell.value, cell.data_type, cell.quotePrefix) for cell in cells[1:]] == [
        ("=1+1", "s", True),
        ("plain", "s", False),
    ]


@pytest.mark.parametrize("format", [Format.CSV, Format.NDJSON, Format.XLSX])
@pytest.mark.parametrize("dtype", [pl.Date, pl.Datetime("ms"), pl.Datetime("us", "UTC"), pl.Datetime("ns")])
def test_dates_that_no_calendar_has_are_infinite(format: Format, dtype: pl.DataType) -> None:
    bits = 31 if dtype == pl.Date else 63
    numbers = pl.Series([2**bits - 1, 1 - 2**bits, None], dtype=pl.Int32 if dtype == pl.Date else pl.Int64)
    content, facts = written(pl.DataFrame({"when": numbers.cast(dtype)}), format, {"timezone": "Europe/Berlin"})

    if format is Format.XLSX:
        assert sheet(content) == [["when"], ["infinity"], ["-infinity"]]
        assert [(warning.code, warning.count) for warning in facts.warnings] == [("dates_as_text", 2)]
    else:
        assert re.findall("-?infinity", content.decode()) == ["infinity", "-infinity"]


def test_timestamps_are_written_in_the_zone_that_was_asked_for() -> None:
    frame = pl.DataFrame({"at": ["2024-07-01T12:00:00Z", "2024-01-01T12:00:00.250Z"]}).with_columns(
        pl.col("at").str.to_datetime(time_zone="UTC")
    )

    assert written(frame, Format.CSV)[0] == b"at\n2024-07-01T12:00:00Z\n2024-01-01T12:00:00.250Z\n"
    berlin = written(frame, Format.CSV, {"timezone": "Europe/Berlin"})[0]
    assert berlin == b"at\n2024-07-01T14:00:00+02:00\n2024-01-01T13:00:00.250+01:00\n"
    excel = written(frame, Format.CSV, {"timezone": "Europe/Berlin", "csv": {"preset": "excel"}})[0]
    assert excel == b"\xef\xbb\xbfat\r\n2024-07-01 14:00:00\r\n2024-01-01 13:00:00.250\r\n"


@pytest.mark.parametrize("length", [32_767, 32_768])
@pytest.mark.parametrize("letter", ["x", "é", "😀"])
def test_a_cell_holds_no_more_than_it_can(length: int, letter: str) -> None:
    units = 2 if letter == "😀" else 1
    frame = pl.DataFrame({"text": [letter * (length // units), "short"]})
    if length // units * units > 32_767:
        with pytest.raises(TooLarge):
            written(frame, Format.XLSX)
    content, facts = written(frame, Format.XLSX, {"xlsx": {"long_texts": "cut"}})
    (_, (text,), (other,)) = sheet(content)

    assert isinstance(text, str)
    assert len(text.encode("utf-16-le")) // 2 <= 32_767
    assert (letter * length).startswith(text)
    assert other == "short"
    assert bool(facts.warnings) == (length // units * units > 32_767)


def test_rows_that_do_not_fit_on_a_sheet_go_to_the_next() -> None:
    frame = pl.DataFrame({"number": list(range(25))})
    content, facts = written(frame, Format.XLSX, {"xlsx": {"rows_per_sheet": 10}})
    titles = ["Data", "Data 2", "Data 3"]

    assert openpyxl.load_workbook(io.BytesIO(content)).sheetnames == [*titles, "About"]
    assert [value for title in titles for (value,) in sheet(content, title)[1:]] == list(range(25))
    assert all(sheet(content, title)[0] == ["number"] for title in titles)
    assert [(warning.code, warning.count) for warning in facts.warnings] == [("several_sheets", 3)]
    with pytest.raises(TooLarge):
        written(frame, Format.XLSX, {"xlsx": {"rows_per_sheet": 10, "several_sheets": False}})


@pytest.mark.parametrize("format", Format)
def test_an_empty_result_is_a_valid_file(format: Format) -> None:
    frame = pl.DataFrame(schema={"number": pl.Int32, "text": pl.String})
    content, facts = written(frame, format)

    assert [warning.code for warning in facts.warnings] == ["no_rows"]
    assert [item.null_count for item in facts.columns] == [0, 0]
    if format is Format.CSV:
        assert content == b"number,text\n"
    elif format is Format.PARQUET:
        assert pl.read_parquet(content).schema == frame.schema
    elif format is Format.ARROW:
        assert pl.read_ipc(content).schema == frame.schema
    elif format is Format.XLSX:
        assert sheet(content) == [["number", "text"]]
    else:
        assert content == b""


@pytest.mark.parametrize("format", Format)
def test_the_same_rows_make_the_same_bytes(format: Format) -> None:
    frame = pl.DataFrame({"number": [1, None], "text": ["=x", None]})

    assert written(frame, format)[0] == written(frame, format)[0]


def test_dates_that_polars_cannot_format_stand_beside_those_that_it_can() -> None:
    days = pl.Series("day", [None, 0, 95_739_615, -2_147_483_646, 2**31 - 1, 1 - 2**31], pl.Int32).cast(pl.Date)
    moments = (days.head(3).cast(pl.Int64) * DAY_UNITS["us"]).cast(pl.Datetime("us", "UTC"))
    german = TimeStyle(date="%d.%m.%Y", timestamp="%F %T", timezone="Europe/Berlin")

    assert days.to_frame().select(german.text(pl.col("day"), pl.Date())).to_series().to_list() == [
        None,
        "01.01.1970",
        "29.02.+264096",
        "25.06.-5877641",
        "infinity",
        "-infinity",
    ]
    assert moments.to_frame().select(german.text(pl.col("day"), moments.dtype)).to_series().to_list() == [
        None,
        "1970-01-01 01:00:00+01:00",
        "+264096-02-29 01:00:00+01:00",
    ]


STORED = st.one_of(
    st.none(),
    st.integers(-(2**31) + 1, 2**31 - 1),
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.sampled_from([bound + step for bound in (0, 95_000_000, 95_000_000 * DAY_UNITS["us"]) for step in (-1, 0, 1)]),
)


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [(pl.Date(), 32), (pl.Datetime("ms"), 64), (pl.Datetime("us"), 64), (pl.Datetime("ns", "UTC"), 64)],
    ids=["days", "milliseconds", "microseconds", "nanoseconds"],
)
@given(numbers=st.lists(STORED, min_size=1, max_size=5), zone=st.sampled_from(["UTC", "Pacific/Apia"]))
def test_ordinary_dates_are_formatted_alike_with_and_without_knowing_it(
    dtype: pl.DataType, bits: int, numbers: list[int | None], zone: str
) -> None:
    stored = [number for number in numbers if number is None or abs(number) < 2 ** (bits - 1)]
    column = pl.Series("at", stored, pl.Int32 if bits == 32 else pl.Int64).cast(dtype)
    style = TimeStyle(timezone=zone)
    texts = pl.select(style.text(pl.lit(column), dtype)).to_series()

    if are_ordinary([column]):
        known = replace(style, ordinary=True)
        assert pl.select(known.text(pl.lit(column), dtype)).to_series().equals(texts, null_equal=True)
    else:
        assert any(text.lstrip("-") == "infinity" or len(text.split("-")[-3]) > 5 for text in texts.drop_nulls())


@pytest.mark.parametrize("nested", [pl.List(pl.Date), pl.Struct({"days": pl.List(pl.Date)})], ids=["list", "struct"])
def test_a_far_date_inside_a_nested_value_is_spelled_right_beside_ordinary_ones(nested: pl.DataType) -> None:
    days = pl.Series([0, 2**31 - 1], dtype=pl.Int32).cast(pl.Date)
    inner = pl.DataFrame({"days": [days]})
    value = inner["days"] if isinstance(nested, pl.List) else inner.to_struct()
    content, _ = written(pl.DataFrame({"day": days.head(1), "value": value}), Format.NDJSON)
    line = json.loads(content)

    assert line["day"] == "1970-01-01"
    assert line["value"] == (
        ["1970-01-01", "infinity"] if isinstance(nested, pl.List) else {"days": ["1970-01-01", "infinity"]}
    )
