"""The order of rows and the pages made of it, on data that makes both hard."""

import json
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.dataset import Column, Dataset, FilterSet, NumericFilter, Relation
from analytics_exports.domain.errors import DatasetChanged
from analytics_exports.domain.selection import NumericRange, Selection
from analytics_exports.warehouse import DuckDBWarehouse
from analytics_exports_tests import factories
from analytics_exports_tests.rows import collected

ME, ALL = OwnerScope("me"), Selection()


class Table:
    """A table of the caller's rows, and the dataset that it is."""

    def __init__(self, path: Path, columns: Sequence[Column], insert: str, **changes: Any) -> None:
        path.unlink(missing_ok=True)
        with duckdb.connect(str(path)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            names = ", ".join(f'"{column.name}" {column.type}' for column in columns)
            connection.execute(f"CREATE TABLE rows (user_id VARCHAR, {names})")
            connection.execute(f"INSERT INTO rows {insert}")
        plain = [replace(column, type=column.type.partition(" COLLATE")[0]) for column in columns]
        self.warehouse = DuckDBWarehouse(
            path, memory_limit="100MB", threads=2, seconds=60, spill_root=path.parent / "spill"
        )
        self.dataset: Dataset = factories.dataset(
            relation=Relation("analytics", "main", "rows"),
            columns=(Column("user_id", "VARCHAR"), *plain),
            **{"filters": FilterSet(), "unique_key": (), **changes},
        )

    def scan(self, selection: Selection = ALL) -> pl.DataFrame:
        with self.warehouse.scan(self.dataset, ME, selection) as scan:
            return collected(scan)

    def numbers(self, selection: Selection = ALL) -> list[int]:
        return self.scan(selection)["number"].to_list()

    def pages(self, limit: int, selection: Selection = ALL) -> list[str]:
        rows: list[str] = []
        after = None
        with self.warehouse.keep_alive():  # there are many, and opening takes longer than reading
            while True:
                page = self.warehouse.page(self.dataset, ME, selection, limit=limit, after=after)
                rows += page.rows
                after = page.next
                if after is None:
                    return rows


KEYS = {
    "INTEGER": ["1", "2", "-1", "2147483647"],
    "HUGEINT": ["1", "170141183460469231731687303715884105727"],
    "DECIMAL(18,4)": ["1.5000", "-0.0001", "99999999999999.9999"],
    "DOUBLE": ["0.1", "'nan'", "'inf'", "'-inf'", "1e300", "5e-324"],
    "FLOAT": ["0.1", "0.2", "16777217"],
    "VARCHAR": ["'a'", "'B'", "''", "'a '", "'\u00e9'", "'e\u0301'", "'%'", "'a''b'"],
    "VARCHAR COLLATE NOCASE": ["'a'", "'A'", "'b'", "'B'"],
    "BOOLEAN": ["true", "false"],
    "UUID": ["'00000000-0000-0000-0000-000000000001'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
    "DATE": ["'2024-01-01'", "'infinity'", "'-infinity'", "'0044-03-15 (BC)'"],
    "TIMESTAMP": ["'2024-01-01 00:00:00'", "'2024-01-01 00:00:00.000001'", "'infinity'"],
    "TIMESTAMP_NS": ["'2024-01-01 00:00:00.000000001'", "'2024-01-01 00:00:00.000000002'"],
    "TIMESTAMP WITH TIME ZONE": ["'2024-01-01 00:00:00+00'", "'2024-01-01 00:00:00+01'"],
    "TIME": ["'00:00:00'", "'24:00:00'"],
    "BLOB": ["'\\x00'", "'a'", "'\\xFF'"],
    "BIT": ["'0'", "'1'", "'01'"],
    "INTERVAL": ["INTERVAL 1 DAY", "INTERVAL 25 HOUR"],
    "ENUM('z', 'a', 'it''s')": ["'z'", "'a'", "'it''s'"],
}


@pytest.mark.parametrize("kind", KEYS)
def test_pages_follow_keys_of_every_type(tmp_path: Path, kind: str) -> None:
    """Two keys that hold the same few values and NULL, so that both directions of every comparison matter."""
    cells = ", ".join(f"({cell}::{kind.partition(' COLLATE')[0]})" for cell in [*KEYS[kind], "NULL"])
    table = Table(
        tmp_path / "warehouse.duckdb",
        [Column("number", "INTEGER"), Column("first", kind), Column("second", kind)],
        f"SELECT 'me', row_number() OVER (), a, b FROM (VALUES {cells}) x(a), (VALUES {cells}) y(b)",
        unique_key=("first", "second"),
    )
    expected = table.numbers()

    assert sorted(expected) == list(range(1, (len(KEYS[kind]) + 1) ** 2 + 1))
    assert [json.loads(row)["number"] for row in table.pages(3)] == expected
    some = Selection(columns=("number",))
    assert table.numbers(some) == expected, "the order does not depend on what is read"
    assert [json.loads(row)["number"] for row in table.pages(5, some)] == expected


cells = st.tuples(
    st.sampled_from(["DATE '2024-01-01'", "DATE '2024-01-02'", "NULL"]), st.sampled_from(["1", "2", "NULL"])
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(cells, min_size=1, max_size=30), limit=st.integers(1, 7), key=st.booleans())
def test_equal_rows_are_given_as_often_as_they_are_there(
    tmp_path: Path, rows: list[tuple[str, str]], limit: int, key: bool
) -> None:
    """Whether the unique key of the dataset is one or not, and whether it has one or not."""
    table = Table(
        tmp_path / "warehouse.duckdb",
        [Column("day", "DATE"), Column("number", "INTEGER")],
        "VALUES " + ", ".join(f"('me', {day}, {number})" for day, number in rows),
        filters=FilterSet(date_column="day"),
        unique_key=("number",) if key else (),
    )
    scanned = [(row["day"] and str(row["day"]), row["number"]) for row in table.scan().to_dicts()]
    paged = [json.loads(row) for row in table.pages(limit)]

    assert len(scanned) == len(rows)
    assert [(row["day"], row["number"]) for row in paged] == scanned
    days = [day for day, _ in scanned if day is not None]
    assert days == sorted(days)
    assert [day for day, _ in scanned[len(days) :]] == [None] * (len(rows) - len(days))


def test_a_large_page_is_one_piece_with_the_next(tmp_path: Path) -> None:
    table = Table(
        tmp_path / "warehouse.duckdb",
        [Column("number", "BIGINT"), Column("same", "INTEGER")],
        "SELECT 'me', range, 1 FROM range(25_000)",
    )
    numbers = table.numbers()

    assert [int(json.loads(row)["number"]) for row in table.pages(10_000)] == numbers
    offset = table.warehouse.page(table.dataset, ME, ALL, limit=10_000, offset=7_000)
    assert [int(json.loads(row)["number"]) for row in offset.rows] == numbers[7_000:17_000]
    assert len(table.pages(9_999, Selection(columns=("same",)))) == 25_000, "rows that are all equal"


def test_the_order_does_not_depend_on_how_the_rows_are_stored(tmp_path: Path) -> None:
    columns = [Column("number", "INTEGER"), Column("text", "VARCHAR")]
    insert = "SELECT 'me', range % 700, 'text ' || range % 13 FROM range(3_000)"
    forwards = Table(tmp_path / "a.duckdb", columns, insert)
    backwards = Table(tmp_path / "b.duckdb", columns, f"FROM ({insert}) ORDER BY random()")

    assert forwards.scan().equals(backwards.scan())


BOUNDS = [
    *("-1e400", "-32769", "-32768", "-1.0001", "-1", "0", "0.1"),
    *("0.99", "1", "3.14", "9.995", "32767", "40000", "1e400"),
]
NUMBERS = {
    "SMALLINT": ["-32768", "-1", "0", "1", "10", "32767"],
    "UTINYINT": ["0", "1", "255"],
    "HUGEINT": ["-170141183460469231731687303715884105728", "0", "170141183460469231731687303715884105727"],
    "DECIMAL(4,2)": ["-99.99", "-1.00", "0.10", "3.14", "9.99", "10.00", "99.99"],
    "DECIMAL(38,37)": ["-9.9999999999999999999999999999999999999", "0.1", "3.14"],
    "DOUBLE": ["-inf", "-1", "0.1", "3.14", "inf"],
    "FLOAT": ["-inf", "-1", "0.1", "3.14", "inf"],
}


@pytest.mark.parametrize("kind", NUMBERS)
def test_ranges_of_numbers_are_exact_for_every_type(tmp_path: Path, kind: str) -> None:
    cells = ", ".join(f"('{text}'::{kind})" for text in NUMBERS[kind])
    others = "('nan'), (NULL)" if kind in {"DOUBLE", "FLOAT"} else "(NULL)"
    table = Table(
        tmp_path / "warehouse.duckdb",
        [Column("number", "INTEGER"), Column("amount", kind)],
        f"SELECT 'me', row_number() OVER (), a FROM (VALUES {cells}, {others}) x(a)",
        filters=FilterSet(numeric_filters=(NumericFilter("amount", "Amount"),)),
    )
    exact = [Decimal(text) for text in NUMBERS[kind]]
    for bound in map(Decimal, BOUNDS):
        low, high = NumericRange("amount", bound), NumericRange("amount", None, bound)
        assert numbers(table, low) == [number for number, value in enumerate(exact, 1) if value >= bound]
        assert numbers(table, high) == [number for number, value in enumerate(exact, 1) if value <= bound]


def numbers(table: Table, bounds: NumericRange) -> list[int]:
    return sorted(table.numbers(Selection(columns=("number",), numeric_filters=(bounds,))))


@pytest.mark.parametrize("kind", ["VARCHAR", "BOOLEAN", "INTEGER[]"])
def test_a_column_that_is_no_number_any_more_is_reported(tmp_path: Path, kind: str) -> None:
    table = Table(tmp_path / "warehouse.duckdb", [Column("amount", kind)], "VALUES ('me', NULL)")
    with pytest.raises(DatasetChanged):
        table.scan(Selection(numeric_filters=(NumericRange("amount", Decimal(1)),)))
