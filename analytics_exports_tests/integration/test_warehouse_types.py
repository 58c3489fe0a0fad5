"""Every DuckDB type on its way to Polars and to JSON: what arrives is what was stored."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.dataset import Column, Dataset, FilterSet, Relation
from analytics_exports.domain.selection import Selection
from analytics_exports.warehouse import DuckDBWarehouse
from analytics_exports_tests import factories
from analytics_exports_tests.rows import collected

RELATION = Relation("analytics", "main", "every_type")
ME = OwnerScope("me")
UUID_TEXT = "0a000000-0000-4000-8000-00000000000a"
HUGE = 2**127 - 1


class Case:
    """A cell of one type: SQL for it, and as what it arrives in a frame and in JSON."""

    def __init__(self, sql: str, dtype: Any, value: object, json_text: str) -> None:
        self.sql = sql
        self.dtype = dtype
        self.value = value
        self.json_text = json_text


MOMENT = datetime.fromisoformat("2024-02-29T01:02:03.123456")
CASES = {
    "BOOLEAN": Case("true", pl.Boolean, True, "true"),
    "TINYINT": Case("-128", pl.Int8, -128, "-128"),
    "SMALLINT": Case("-32768", pl.Int16, -32768, "-32768"),
    "INTEGER": Case("-2147483648", pl.Int32, -(2**31), "-2147483648"),
    "BIGINT": Case("9007199254740993", pl.Int64, 2**53 + 1, '"9007199254740993"'),
    "UTINYINT": Case("255", pl.UInt8, 255, "255"),
    "USMALLINT": Case("65535", pl.UInt16, 65535, "65535"),
    "UINTEGER": Case("4294967295", pl.UInt32, 2**32 - 1, "4294967295"),
    "UBIGINT": Case("18446744073709551615", pl.UInt64, 2**64 - 1, f'"{2**64 - 1}"'),
    "HUGEINT": Case(f"{10**37}", pl.Decimal(38, 0), Decimal(10**37), f'"{10**37}"'),
    "UHUGEINT": Case(f"{2**128 - 1}", pl.String, str(2**128 - 1), f'"{2**128 - 1}"'),
    "BIGNUM": Case(f"{10**60}", pl.String, str(10**60), f'"{10**60}"'),
    "DECIMAL(4,2)": Case("1.50", pl.Decimal(4, 2), Decimal("1.50"), '"1.50"'),
    "DECIMAL(38,10)": Case(
        "1234567890123456789012345678.0123456789",
        pl.Decimal(38, 10),
        Decimal("1234567890123456789012345678.0123456789"),
        '"1234567890123456789012345678.0123456789"',
    ),
    "FLOAT": Case("0.1", pl.Float32, 0.10000000149011612, "0.1"),
    "DOUBLE": Case("0.1", pl.Float64, 0.1, "0.1"),
    "VARCHAR": Case(
        "'Zo\u00eb \"\\ \U0001f600' || chr(10)", pl.String, 'Zo\u00eb "\\ \U0001f600\n', r'"Zoë \"\\ 😀\n"'
    ),
    "BLOB": Case("'\\x00\\xFF'::BLOB", pl.Binary, b"\x00\xff", '"AP8="'),
    "BIT": Case("'0101'", pl.String, "0101", '"0101"'),
    "DATE": Case("'2024-02-29'", pl.Date, date(2024, 2, 29), '"2024-02-29"'),
    "TIME": Case("'23:59:59.999999'", pl.Duration("us"), timedelta(days=1, microseconds=-1), '"23:59:59.999999"'),
    "TIME WITH TIME ZONE": Case("'01:02:03+02'", pl.String, "01:02:03+02", '"01:02:03+02"'),
    "TIMESTAMP": Case(f"'{MOMENT}'", pl.Datetime("us"), MOMENT, '"2024-02-29T01:02:03.123456"'),
    "TIMESTAMP_S": Case(f"'{MOMENT}'", pl.Datetime("ms"), MOMENT.replace(microsecond=0), '"2024-02-29T01:02:03"'),
    "TIMESTAMP_MS": Case(
        f"'{MOMENT}'", pl.Datetime("ms"), MOMENT.replace(microsecond=123000), '"2024-02-29T01:02:03.123"'
    ),
    "TIMESTAMP_NS": Case(
        "'2024-02-29 01:02:03.123456789'", pl.Datetime("ns"), MOMENT, '"2024-02-29T01:02:03.123456789"'
    ),
    "TIMESTAMP WITH TIME ZONE": Case(
        f"'{MOMENT}+02'",
        pl.Datetime("us", "UTC"),
        MOMENT.replace(day=28, hour=23, tzinfo=UTC),
        '"2024-02-28T23:02:03.123456Z"',
    ),
    "INTERVAL": Case(
        "INTERVAL '1 month 2 days 3.5 seconds'",
        pl.String,
        "1 month 2 days 00:00:03.5",
        '"1 month 2 days 00:00:03.5"',
    ),
    "UUID": Case(f"'{UUID_TEXT}'", pl.String, UUID_TEXT, f'"{UUID_TEXT}"'),
    "JSON": Case("'{\"a\": [1.10, 1e400]}'", pl.String, '{"a": [1.10, 1e400]}', '{"a": [1.10, 1e400]}'),
    "ENUM('x', 'y''s')": Case("'y''s'", pl.String, "y's", '"y\'s"'),
    "INTEGER[]": Case("[1, NULL, 3]", pl.List(pl.Int32), [1, None, 3], "[1,null,3]"),
    "INTEGER[2]": Case("[1, 2]", pl.List(pl.Int32), [1, 2], "[1,2]"),
    "BIGINT[][]": Case("[[1], [], NULL]", pl.List(pl.List(pl.Int64)), [[1], [], None], '[["1"],[],null]'),
    "INTERVAL[]": Case("[INTERVAL 1 DAY]", pl.List(pl.String), ["1 day"], '["1 day"]'),
    'STRUCT(a INTEGER, "b c" UUID)': Case(
        f"{{'a': NULL, 'b c': '{UUID_TEXT}'}}",
        pl.Struct({"a": pl.Int32, "b c": pl.String}),
        {"a": None, "b c": UUID_TEXT},
        f'{{"a":null,"b c":"{UUID_TEXT}"}}',
    ),
    "STRUCT(a STRUCT(i INTERVAL)[])": Case(
        "{'a': [{'i': INTERVAL 1 DAY}, NULL]}",
        pl.Struct({"a": pl.List(pl.Struct({"i": pl.String}))}),
        {"a": [{"i": "1 day"}, None]},
        '{"a":[{"i":"1 day"},null]}',
    ),
    "MAP(VARCHAR, DECIMAL(4,2))": Case(
        "MAP {'k': 1.5, 'l': NULL}",
        pl.List(pl.Struct({"key": pl.String, "value": pl.Decimal(4, 2)})),
        [{"key": "k", "value": Decimal("1.50")}, {"key": "l", "value": None}],
        '{"k":"1.50","l":null}',
    ),
    "MAP(DATE, INTERVAL[])": Case(
        "MAP {DATE '2024-01-01': [INTERVAL 1 DAY]}",
        pl.List(pl.Struct({"key": pl.Date, "value": pl.List(pl.String)})),
        [{"key": date(2024, 1, 1), "value": ["1 day"]}],
        '{"2024-01-01":["1 day"]}',
    ),
    "UNION(num INTEGER, str VARCHAR)": Case("'x'", pl.String, '{"str":"x"}', '{"str":"x"}'),
    "VARIANT": Case("{'a': 1}::VARIANT", pl.String, '{"a":1}', '{"a":1}'),
    "GEOMETRY": Case("'POINT (1 2)'", pl.String, "POINT (1 2)", '"POINT (1 2)"'),
}
CASES |= {
    "TIME_NS": Case("'24:00:00'", pl.Duration("ns"), timedelta(days=1), '"24:00:00"'),
    "TIMESTAMPTZ_NS": Case(
        "'2024-02-29 01:02:03.123456789+00'",
        pl.Datetime("ns", "UTC"),
        MOMENT.replace(tzinfo=UTC),
        '"2024-02-29T01:02:03.123456789Z"',
    ),
    "TUPLE(INTEGER, VARCHAR)": Case("row(1, 'x')", pl.String, "(1, x)", '"(1, x)"'),
}
NOT_FOR_TABLES = {"NULL", "TYPE"}


class Table:
    """One column for each case, a row of the caller's with the cell, and one with NULLs."""

    def __init__(self, folder: Path) -> None:
        path = folder / "warehouse.duckdb"
        with duckdb.connect(str(path)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            columns = ", ".join(f'"{number}" {kind}' for number, kind in enumerate(CASES))
            cells = ", ".join(case.sql for case in CASES.values())
            nulls = ", ".join("NULL" for _ in CASES)
            connection.execute(f"CREATE TABLE every_type (user_id VARCHAR, day DATE, {columns})")
            connection.execute(f"INSERT INTO every_type VALUES ('me', '2024-01-01', {cells}), ('me', NULL, {nulls})")
            self.logical_types = {
                name for (name,) in connection.execute("SELECT logical_type FROM duckdb_types()").fetchall()
            }
        self.warehouse = DuckDBWarehouse(path, memory_limit="100MB", threads=1, seconds=60, spill_root=folder / "spill")
        self.dataset = dataset(self.warehouse.describe(RELATION) or ())
        with self.warehouse.scan(self.dataset, ME, Selection()) as scan:
            self.columns = scan.columns
            self.frame = collected(scan)
        self.rows = self.warehouse.page(self.dataset, ME, Selection(), limit=10).rows


def dataset(columns: tuple[Column, ...]) -> Dataset:
    return factories.dataset(relation=RELATION, columns=columns, filters=FilterSet(date_column="day"), unique_key=())


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    return Table(tmp_path_factory.mktemp("types"))


@pytest.mark.parametrize("kind", CASES)
def test_a_cell_arrives_in_a_frame_as_it_was_stored(table: Table, kind: str) -> None:
    case, cells = CASES[kind], table.frame[str(list(CASES).index(kind))]

    assert cells.dtype == case.dtype
    assert cells.to_list() == [case.value, None]


@pytest.mark.parametrize("kind", CASES)
def test_a_cell_arrives_in_json_as_it_was_stored(table: Table, kind: str) -> None:
    name = str(list(CASES).index(kind))
    values, nulls = (raw_members(row) for row in table.rows)

    assert values[name] == CASES[kind].json_text
    assert json.loads(values[name]) is not None
    assert nulls[name] == "null"


def raw_members(row: str) -> dict[str, str]:
    """The members of a JSON object with their values as they are spelt in it."""
    decoder, members, rest = json.JSONDecoder(), {}, row.removeprefix("{").removesuffix("}")
    while rest:
        name, colon = decoder.raw_decode(rest)
        _, end = decoder.raw_decode(rest[colon + 1 :])
        members[name] = rest[colon + 1 : colon + 1 + end]
        rest = rest[colon + 1 + end :].removeprefix(",")
    return members


def test_the_columns_keep_the_names_of_duckdbs_types(table: Table) -> None:
    assert [column.type for column in table.columns] == ["VARCHAR", "DATE", *CASES]


def test_no_type_is_forgotten(table: Table) -> None:
    shown = {kind.replace("LIST", "[]") for kind in table.logical_types - NOT_FOR_TABLES}
    covered = {*(kind.partition("(")[0] for kind in CASES), "ARRAY", "[]"}

    assert shown <= covered


@pytest.mark.parametrize(
    ("cell", "json_text"),
    [
        ("'nan'::DOUBLE", '"NaN"'),
        ("'inf'::DOUBLE", '"Infinity"'),
        ("'-inf'::FLOAT", '"-Infinity"'),
        ("-0.0::DOUBLE", "-0.0"),
        ("1e300::DOUBLE", "1e+300"),
        ("5e-324::DOUBLE", "5e-324"),
        ("['nan'::DOUBLE, 1.5]", '["NaN",1.5]'),
        ("'infinity'::DATE", '"infinity"'),
        ("'-infinity'::TIMESTAMP", '"-infinity"'),
        ("'infinity'::TIMESTAMPTZ", '"infinity"'),
        ("DATE '5881580-07-10'", '"+5881580-07-10"'),
        ("DATE '-5877641-06-25'", '"-5877641-06-25"'),
        ("DATE '10000-01-01'", '"+10000-01-01"'),
        ("DATE '0001-01-01 (BC)'", '"0000-01-01"'),
        ("TIMESTAMP '294246-12-31 23:59:59.999999'", '"+294246-12-31T23:59:59.999999"'),
        ("TIMESTAMPTZ '-290307-12-22 00:00:00+00'", '"-290307-12-22T00:00:00Z"'),
        ("TIMESTAMP_MS '294246-12-31 01:02:03.5'", '"+294246-12-31T01:02:03.500"'),
        ("[DATE '262144-02-29']", '["+262144-02-29"]'),
        ("TIME '24:00:00'", '"24:00:00"'),
        (f"{HUGE}::HUGEINT", f'"{HUGE}"'),
        ("chr(0) || '<>&'", r'"\u0000<>&"'),
        ("''", '""'),
    ],
)
def test_unusual_values_are_json_too(tmp_path: Path, cell: str, json_text: str) -> None:
    path = tmp_path / "warehouse.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE TABLE every_type AS SELECT 'me' AS user_id, NULL::DATE AS day, {cell} AS cell")
    warehouse = DuckDBWarehouse(path, memory_limit="100MB", threads=1, seconds=60, spill_root=tmp_path / "spill")
    unusual = dataset(warehouse.describe(RELATION) or ())

    (row,) = warehouse.page(unusual, ME, Selection(columns=("cell",)), limit=10).rows

    assert row == f'{{"cell":{json_text}}}'
    assert "cell" in json.loads(row)


HOSTILE = ("a b", 'quo"te', "semi;colon", "apo'strophe", "$owner", "%s", "brace}{", "\u00e9\u4e2d", "e", "<key 0>x")


def test_hostile_names_of_columns_are_only_names(tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    quoted = ['"' + name.replace('"', '""') + '"' for name in HOSTILE]
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            f"CREATE TABLE every_type (user_id VARCHAR, day DATE, {', '.join(f'{n} INT[]' for n in quoted)})"
        )
        connection.execute(f"INSERT INTO every_type VALUES ('me', NULL, {', '.join('[1]' for _ in quoted)})")
    warehouse = DuckDBWarehouse(path, memory_limit="100MB", threads=1, seconds=60, spill_root=tmp_path / "spill")
    hostile = dataset(warehouse.describe(RELATION) or ())

    with warehouse.scan(hostile, ME, Selection(columns=HOSTILE)) as scan:
        assert collected(scan).to_dict(as_series=False) == {name: [[1]] for name in HOSTILE}
    (row,) = warehouse.page(hostile, ME, Selection(columns=HOSTILE), limit=10).rows
    assert json.loads(row) == {name: [1] for name in HOSTILE}
