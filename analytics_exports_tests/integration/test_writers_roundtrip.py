"""Whatever is in a warehouse can be read from a file again, by a program that had no part in writing it.

Hypothesis makes small tables of any DuckDB types, nested ones included, in a warehouse. The real scan carries them to
Polars, the real writers write them, and Python's csv and json, DuckDB, pyarrow and openpyxl read them. What is expected
comes from the table itself: DuckDB's JSON of the rows for text, DuckDB's text of the cells for typed formats.
"""

import base64
import csv
import io
import json
import math
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from analytics_exports.artifacts.formats import file_format
from analytics_exports.artifacts.hashing_writer import FileLimits, LocalFileWriter
from analytics_exports.artifacts.writing import count_file, write_file
from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.column_type import parse_type
from analytics_exports.domain.dataset import Column, FilterSet, Relation
from analytics_exports.domain.formats import Format
from analytics_exports.domain.selection import Selection
from analytics_exports.warehouse import DuckDBWarehouse
from analytics_exports.warehouse.frames import to_transport
from analytics_exports.warehouse.identifiers import literal, quote
from analytics_exports_tests import factories
from analytics_exports_tests.json_oracle import row_json_sql
from analytics_exports_tests.rows import FrameRows, collected

often = settings(
    max_examples=int(os.environ.get("EXAMPLES", "25")), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
DATES = st.dates(date(1, 1, 1), date(9999, 12, 31))
TIMES = st.datetimes(max_value=datetime.fromisoformat("9999-12-31"))
NANOSECONDS = st.datetimes(datetime.fromisoformat("1700-01-01"), datetime.fromisoformat("2250-01-01"))
SPREADSHEET_DATES = date(1900, 3, 1)
SPREADSHEET_TIMES = date(1899, 12, 31)


def whole(bits: int, *, signed: bool = True) -> SearchStrategy[str]:
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    return st.integers(low, high).map(str)


def decimals(precision: int, scale: int) -> SearchStrategy[str]:
    digits = st.integers(0, 10**precision - 1).map(lambda number: tuple(map(int, str(number))))
    return st.tuples(st.integers(0, 1), digits).map(lambda of: f"{Decimal((of[0], of[1], -scale)):f}")


def as_text(some: SearchStrategy[Any], *more: str) -> SearchStrategy[str]:
    return some.map(str) | st.sampled_from([*more]) if more else some.map(str)


LEAVES: dict[str, SearchStrategy[str]] = {
    "BOOLEAN": st.sampled_from(["true", "false"]),
    **{name: whole(bits) for name, bits in (("TINYINT", 8), ("SMALLINT", 16), ("INTEGER", 32), ("BIGINT", 64))},
    **{
        f"U{name}": whole(bits, signed=False)
        for name, bits in (("TINYINT", 8), ("SMALLINT", 16), ("INTEGER", 32), ("BIGINT", 64))
    },
    "HUGEINT": whole(128),
    "UHUGEINT": whole(128, signed=False),
    "BIGNUM": st.integers(-(10**60), 10**60).map(str),
    "FLOAT": as_text(st.floats(width=32), "nan", "inf", "-inf"),
    "DOUBLE": as_text(st.floats(), "nan", "inf", "-inf"),
    "DECIMAL(4,1)": decimals(4, 1),
    "DECIMAL(18,2)": decimals(18, 2),
    "DECIMAL(38,10)": decimals(38, 10),
    "VARCHAR": TEXT
    | st.sampled_from(["", "=1+1", "-5", "@x", "_x0041_", " a ", "NULL", '"', "a,b;c\r\n", "ÿ\ufffe", "😀"]),
    "BLOB": st.binary(max_size=6).map(lambda value: "".join(f"\\x{byte:02X}" for byte in value)),
    "DATE": as_text(DATES, "infinity", "-infinity"),
    "TIME": as_text(st.times(), "24:00:00"),
    "TIME_NS": as_text(st.times(), "24:00:00", "23:59:59.999999999"),
    "TIMESTAMP": as_text(TIMES, "infinity", "-infinity"),
    "TIMESTAMP_S": as_text(TIMES.map(lambda value: value.replace(microsecond=0)), "infinity", "-infinity"),
    "TIMESTAMP_MS": as_text(
        TIMES.map(lambda value: value.replace(microsecond=value.microsecond // 1000 * 1000)), "infinity"
    ),
    "TIMESTAMP_NS": as_text(NANOSECONDS, "infinity", "-infinity", "2000-01-01 00:00:00.000000001"),
    "TIMESTAMPTZ_NS": as_text(NANOSECONDS, "infinity"),
    "TIMESTAMP WITH TIME ZONE": as_text(TIMES.map(lambda value: value.replace(tzinfo=UTC)), "infinity"),
    "TIME WITH TIME ZONE": st.sampled_from(["12:34:56+02", "00:00:00-11:30"]),
    "INTERVAL": st.sampled_from(["1 year 2 months", "-3 days", "00:00:01.5", "0 days"]),
    "UUID": st.uuids().map(str),
    "BIT": st.text("01", min_size=1, max_size=9),
    "ENUM('a', 'it''s', '=b')": st.sampled_from(["a", "it's", "=b"]),
    "JSON": st.sampled_from(['{"a": [1, null, "x"]}', "[]", "-1.50", '"=1"', "true", ' {"b" : {}}']),
    "UNION(number INTEGER, word VARCHAR)": st.sampled_from(["seven", "=x"]),
    "VARIANT": st.sampled_from(["text", "=x"]),
    "GEOMETRY": st.sampled_from(["POINT (1 2)", "POINT EMPTY"]),
}
NESTED = re.compile(r"^(STRUCT|MAP|JSON|UNION|VARIANT)|\]$")


@dataclass(frozen=True)
class Typed:
    """A DuckDB type, and SQL of values of it."""

    name: str
    values: SearchStrategy[str]

    def optional(self) -> SearchStrategy[str]:
        return st.just(f"CAST(NULL AS {self.name})") | self.values


def leaf(name: str) -> Typed:
    return Typed(name, LEAVES[name].map(lambda text: f"CAST({literal(text)} AS {name})"))


def listed(inner: Typed) -> Typed:
    values = st.lists(inner.optional(), max_size=3).map(lambda items: f"CAST([{', '.join(items)}] AS {inner.name}[])")
    return Typed(f"{inner.name}[]", values)


def fixed(inner: Typed) -> Typed:
    values = st.tuples(inner.optional(), inner.optional())
    return Typed(f"{inner.name}[2]", values.map(lambda pair: f"CAST([{', '.join(pair)}] AS {inner.name}[2])"))


def structured(first: Typed, second: Typed) -> Typed:
    values = st.tuples(first.optional(), second.optional())
    return Typed(
        f'STRUCT(a {first.name}, "b c" {second.name})', values.map(lambda pair: f"{{'a': {pair[0]}, 'b c': {pair[1]}}}")
    )


def mapped(key: Typed, value: Typed) -> Typed:
    entries = st.lists(st.tuples(key.values, value.optional()), max_size=3, unique_by=lambda entry: entry[0])
    name = f"MAP({key.name}, {value.name})"
    pairs = entries.map(lambda items: ", ".join(f"{k}: {v}" for k, v in items))
    return Typed(name, pairs.map(lambda text: f"CAST(MAP {{{text}}} AS {name})"))


ANY_LEAF = st.sampled_from(sorted(LEAVES)).map(leaf)
KEYS = st.sampled_from(["VARCHAR", "INTEGER", "UUID", "BIGINT", "BOOLEAN"]).map(leaf)
TYPES = st.recursive(
    ANY_LEAF,
    lambda inner: (
        inner.map(listed) | inner.map(fixed) | st.builds(structured, inner, inner) | st.builds(mapped, KEYS, inner)
    ),
    max_leaves=4,
)
NAMES = st.lists(
    st.sampled_from(["id", "Größe", 'quo"ted', "with, comma", "=formula", "two words", "tab\tbed", "a_b"]),
    min_size=1,
    max_size=4,
    unique=True,
)


@dataclass(frozen=True)
class Table:
    """A table in a warehouse: its columns with their types, and its rows as SQL."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]

    def sql(self) -> str:
        typed = ", ".join(f"{quote(column.name)} {column.type}" for column in self.columns)
        rows = ", ".join(f"('me', {at}, {', '.join(row)})" for at, row in enumerate(self.rows))
        return f"CREATE TABLE t (user_id VARCHAR, line INTEGER, {typed}); " + (
            f"INSERT INTO t VALUES {rows}" if rows else ""
        )


@st.composite
def tables(draw: st.DrawFn) -> Table:
    leaves = draw(st.lists(st.sampled_from(sorted(LEAVES)), min_size=1, max_size=12, unique=True))
    types = [*map(leaf, leaves), *draw(st.lists(TYPES, max_size=4))]
    odd = draw(NAMES)
    names = [*odd, *(f"column_{number}" for number in range(len(odd), len(types)))][: len(types)]
    rows = draw(st.lists(st.tuples(*(of.optional() for of in types)), max_size=5))
    return Table(tuple(Column(name, of.name) for name, of in zip(names, types, strict=True)), tuple(rows))


@dataclass(frozen=True)
class ScannedTable:
    """A table in DuckDB, as JSON by DuckDB's own hand, as text, and as the frame of a scan."""

    folder: Path
    columns: tuple[Column, ...]
    frame: pl.DataFrame
    expected: Sequence[dict[str, Any]]
    carried: Sequence[tuple[Any, ...]]

    def texts(self, read: duckdb.DuckDBPyRelation) -> list[tuple[Any, ...]]:
        """The cells of what was read from a file as DuckDB's text."""
        return read.select(", ".join(f"CAST({quote(column.name)} AS VARCHAR)" for column in self.columns)).fetchall()

    def written(self, format: Format, options: dict[str, Any]) -> tuple[Path, Artifact]:
        path = Path(tempfile.mkstemp(dir=self.folder)[1])
        with path.open("wb") as below:
            file = LocalFileWriter(below.fileno(), FileLimits(2**30, 0))
            chosen = file_format(format, options)
            content = write_file(
                FrameRows(self.frame), file, chosen, lambda rows, size: None, columns=self.columns, facts={}
            )
        with path.open("rb") as finished:
            assert count_file(finished, chosen) == content.row_count == self.frame.height
        return path, content


@contextmanager
def scanned_table(table: Table) -> Iterator[ScannedTable]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "warehouse.duckdb")
        with duckdb.connect(str(path)) as writing:
            writing.execute("SET TimeZone = 'UTC'")
            writing.execute(table.sql())
            types = {column.name: parse_type(column.type) for column in table.columns}
            texts = ", ".join(f"CAST({to_transport(quote(name), of)} AS VARCHAR)" for name, of in types.items())
            carried = writing.sql(f"SELECT {texts} FROM t ORDER BY line").fetchall()
            rows = writing.sql(f"SELECT {row_json_sql(types)} FROM t ORDER BY line").fetchall()
        expected = [same_times(json.loads(row)) for (row,) in rows]
        yield ScannedTable(Path(folder), table.columns, scanned(path, table), expected, carried)


def reading() -> duckdb.DuckDBPyConnection:
    """An engine that has seen nothing of how the file was made."""
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def scanned(path: Path, table: Table) -> pl.DataFrame:
    """The rows as an export reads them."""
    warehouse = DuckDBWarehouse(path, memory_limit="100MB", threads=1, seconds=60, spill_root=path.parent / "spill")
    columns = (Column("user_id", "VARCHAR"), Column("line", "INTEGER"), *table.columns)
    dataset = factories.dataset(
        relation=Relation(path.stem, "main", "t"), columns=columns, filters=FilterSet(), unique_key=("line",)
    )
    wanted = Selection(columns=tuple(column.name for column in table.columns))
    with warehouse.scan(dataset, OwnerScope("me"), wanted) as scan:
        return collected(scan)


FRACTION = re.compile(r"(\d\d:\d\d:\d\d)\.(\d*?)0+(?=Z?$)")


def same_times(value: Any) -> Any:
    """``value`` with fractions of seconds as short as they can be."""
    if isinstance(value, dict):
        return {key: same_times(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [same_times(inner) for inner in value]
    if isinstance(value, str):
        return FRACTION.sub(lambda match: f"{match[1]}.{match[2]}" if match[2] else match[1], value)
    return value


def kind(column: Column) -> str:
    """What a cell of the column is in a text format."""
    if NESTED.search(column.type):
        return "json"
    if column.type in {"FLOAT", "DOUBLE"}:
        return "float"
    return "blob" if column.type == "BLOB" else "text"


def cell_as_json(text: str, column: Column) -> Any:
    """What the JSON of a row holds for a cell that is not NULL and reads ``text``."""
    match kind(column):
        case "json":
            return same_times(json.loads(text))
        case "float":
            return float(text) if math.isfinite(float(text)) else text.replace("inf", "Infinity")
        case "blob":
            return base64.b64encode(bytes.fromhex(text)).decode()
    return same_times(text)


def plain(value: Any, column: Column) -> Any:
    """A value of the JSON of a row as a cell shows it: numbers and booleans are text there."""
    if kind(column) != "text" or value is None:
        return value
    return json.dumps(value) if isinstance(value, bool | int) else value


def unguarded(text: str, column: Column) -> str:
    guarded = text[:1] == "'" and text[1:2] in tuple("=+-@\t\r\n") and column.type.startswith(("VARCHAR", "ENUM"))
    return text[1:] if guarded else text


@often
@given(tables())
def test_ndjson_holds_what_the_api_gives_for_the_same_rows(table: Table) -> None:
    with scanned_table(table) as here:
        path, _ = here.written(Format.NDJSON, {})
        lines = path.read_text(encoding="utf-8").splitlines(keepends=False) if not table.rows else None
        found = [same_times(json.loads(line)) for line in path.read_bytes().split(b"\n")[:-1]]

    assert lines in (None, [])
    assert repr(found) == repr(list(here.expected))


@often
@given(tables(), st.sampled_from([{}, {"preset": "excel"}, {"quote_all": True}, {"delimiter": "\t", "null": "NULL"}]))
def test_csv_is_read_by_python(table: Table, dialect: dict[str, Any]) -> None:
    with scanned_table(table) as here:
        path, content = here.written(
            Format.CSV, {"csv": {**dialect, "timestamp_format": "%Y-%m-%dT%H:%M:%S%.f", "offset": True}}
        )
        text = path.read_bytes().decode("utf-8-sig")
    null = dialect.get("null", "")
    header, *rows = csv.reader(io.StringIO(text, newline=""), delimiter=dialect.get("delimiter", ","), strict=True)
    rows = [row or [""] for row in rows]

    assert [name.removeprefix("'") for name in header] == [column.name for column in here.columns]
    for row, expected in zip(rows, here.expected, strict=True):
        for cell, column in zip(row, here.columns, strict=True):
            value = plain(expected[column.name], column)
            if value is None:
                assert cell == null
            else:
                assert repr(cell_as_json(unguarded(cell, column), column)) == repr(value), column
    nulls = [sum(row[column.name] is None for row in here.expected) for column in here.columns]
    assert [item.null_count for item in content.columns] == nulls


@often
@given(tables(), st.sampled_from(["", "NULL"]))
def test_csv_tells_null_from_the_empty_text(table: Table, null: str) -> None:
    with scanned_table(table) as here:
        path, _ = here.written(Format.CSV, {"csv": {"null": null}})
        with reading() as connection:
            found = connection.read_csv(
                str(path), header=True, all_varchar=True, na_values=null, allow_quoted_nulls=False, null_padding=False
            ).fetchall()

    if len(here.columns) > 1 and here.expected:  # a line that is empty is no row for this reader
        nulls = [[row[column.name] is None for column in here.columns] for row in here.expected]
        assert [[cell is None for cell in row] for row in found] == nulls


LOWEST = str(-(2**127))
"""DuckDB cannot turn this one number into text when a file holds it as a decimal."""


@often
@given(tables(), st.sampled_from(["zstd", "snappy", "none"]))
def test_parquet_is_read_by_duckdb(table: Table, compression: str) -> None:
    assume(LOWEST not in table.sql())
    with scanned_table(table) as here:
        path, _ = here.written(Format.PARQUET, {"compression": compression})
        with reading() as connection:
            assert here.texts(connection.read_parquet(str(path))) == here.carried


@often
@given(tables(), st.sampled_from(["zstd", "lz4", "none"]))
def test_arrow_is_read_by_pyarrow(table: Table, compression: str) -> None:
    assume(LOWEST not in table.sql())
    with scanned_table(table) as here:
        path, _ = here.written(Format.ARROW, {"compression": compression})
        read = pa.ipc.open_file(path.read_bytes()).read_all()
        with reading() as connection:
            assert here.texts(connection.from_arrow(read)) == here.carried


ESCAPE = re.compile(r"_x([0-9A-Fa-f]{4})_")


def as_in_sheet(value: Any, column: Column) -> Any:
    """What a spreadsheet shows for a value of the JSON of a row."""
    value = plain(value, column)
    if value is None or value == "":
        return None
    if kind(column) != "text":
        return float(value) if kind(column) == "float" and not isinstance(value, str) else value
    if column.type == "BOOLEAN":
        return value == "true"
    if column.type not in {"UHUGEINT", "BIGNUM"} and re.search("INT$|INTEGER$|^DECIMAL", column.type):
        return as_number(value)
    if column.type in {"DATE", "TIME", "TIME_NS"} or column.type.startswith("TIMESTAMP"):
        return as_moment(value, column.type)
    return value


def as_number(text: str) -> float | str:
    digits = text.rstrip("0") if "." in text else text
    return float(text) if len(digits.lstrip("-0.").replace(".", "")) <= 15 else text


def as_moment(value: str, name: str) -> Any:
    if name.startswith("TIME") and value[2] == ":":
        return value if value == "24:00:00" else time.fromisoformat(padded(value))
    if "infinity" in value:
        return value
    moment = datetime.fromisoformat(padded(value.removesuffix("Z")))
    in_calendar = moment.date() >= SPREADSHEET_DATES
    return moment if in_calendar else value.removesuffix("Z").replace("T", " ")


def padded(text: str) -> str:
    """With a fraction of six digits, which this Python's ``fromisoformat`` takes."""
    whole_part, point, fraction = text.partition(".")
    return f"{whole_part}.{fraction:0<6.6}" if point else text


def shown(cell: Any, column: Column) -> Any:
    """A cell as openpyxl reads it, in the words of ``as_in_sheet``."""
    if cell == "":
        return None
    if isinstance(cell, str):
        cell = ESCAPE.sub(lambda match: chr(int(match[1], 16)), cell)
        return same_times(cell) if kind(column) == "text" else cell_as_json(cell, column)
    return float(cell) if isinstance(cell, int) and not isinstance(cell, bool) else cell


def close(found: Any, expected: Any) -> bool:
    """Whether two cells are the same; a spreadsheet's times are exact to a millisecond."""
    if isinstance(expected, time):  # the last moment of a day may have been rounded up to the next day
        found = found if isinstance(found, datetime) else datetime.combine(SPREADSHEET_TIMES, found)
        expected = datetime.combine(SPREADSHEET_TIMES, expected)
    if isinstance(found, datetime) and isinstance(expected, datetime):
        return abs(found - expected) <= timedelta(milliseconds=1)
    return repr(found) == repr(expected)


@often
@given(tables())
def test_xlsx_is_read_by_openpyxl(table: Table) -> None:
    with scanned_table(table) as here:
        path, _ = here.written(Format.XLSX, {})
        sheet = openpyxl.load_workbook(io.BytesIO(path.read_bytes()))["Data"]
        header, *rows = sheet.iter_rows(max_col=len(here.columns))

    assert [cell.value for cell in header] == [column.name for column in here.columns]
    assert {cell.data_type for row in rows for cell in row} <= {"n", "s", "b", "d", "inlineStr"}
    found = [[cell.value for cell in row] for row in rows]
    found += [[None] * len(here.columns)] * (len(here.expected) - len(found))
    for row, expected in zip(found, here.expected, strict=True):
        for cell, column in zip(row, here.columns, strict=True):
            assert close(shown(cell, column), as_in_sheet(expected[column.name], column)), (column, cell)


def test_parquet_has_statistics_but_for_texts_that_hardly_repeat(tmp_path: Path) -> None:
    frame = pl.DataFrame({"number": range(1000), "text": map(str, range(1000)), "currency": ["EUR", "USD"] * 500})
    path = tmp_path / "file"
    with path.open("wb") as below:
        file = LocalFileWriter(below.fileno(), FileLimits(2**30, 0))
        write_file(
            FrameRows(frame), file, file_format(Format.PARQUET, {}), lambda rows, size: None, columns=None, facts={}
        )

    group = pq.read_metadata(path).row_group(0)
    columns = [group.column(at) for at in range(group.num_columns)]
    found = {column.path_in_schema: column.statistics for column in columns}

    assert found["text"] is None
    assert (found["number"].min, found["number"].max) == (0, 999)
    assert (found["currency"].min, found["currency"].max) == ("EUR", "USD")
