"""Reading back: DuckDB's names of types, and the records of text files."""

import csv
import io

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_exports.artifacts import counting
from analytics_exports.artifacts.duck_types import UNKNOWN, Kind, parse_type
from analytics_exports.artifacts.keys import Key, parse_stored_name

NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6)
LEAVES = [
    "BIGINT",
    "BOOLEAN",
    "DECIMAL(18,2)",
    "ENUM('a', 'b, (c)', 'it''s')",
    "JSON",
    "TIMESTAMP WITH TIME ZONE",
    'UNION(number INTEGER, "wo(rd" VARCHAR[])',
    "VARCHAR",
]
KINDS = ["bigint", "boolean", "decimal", "enum", "json", "timestamp with time zone", "union", "varchar"]


def of_leaf(number: int) -> tuple[str, Kind]:
    return LEAVES[number], Kind(KINDS[number])


def listed(inner: tuple[str, Kind]) -> tuple[str, Kind]:
    return f"{inner[0]}[]", Kind("list", (inner[1],))


def structured(name: str, first: tuple[str, Kind], second: tuple[str, Kind]) -> tuple[str, Kind]:
    quoted = name.replace('"', '""')
    return f'STRUCT("{quoted}" {first[0]}, b {second[0]})', Kind("struct", (first[1], second[1]))


def mapped(key: tuple[str, Kind], value: tuple[str, Kind]) -> tuple[str, Kind]:
    return f"MAP({key[0]}, {value[0]})", Kind("map", (key[1], value[1]))


TYPES = st.recursive(
    st.integers(0, len(LEAVES) - 1).map(of_leaf),
    lambda inner: inner.map(listed) | st.builds(structured, NAMES, inner, inner) | st.builds(mapped, inner, inner),
    max_leaves=5,
)


@given(TYPES)
def test_names_of_types_are_read(of: tuple[str, Kind]) -> None:
    name, kind = of

    assert parse_type(name) == kind


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("INTEGER[3]", Kind("list", (Kind("integer"),))),
        ("INTEGER[3][]", Kind("list", (Kind("list", (Kind("integer"),)),))),
        ("", Kind("")),
        ("STRUCT(a", UNKNOWN),
        ("MAP(VARCHAR", UNKNOWN),
        ("VARCHAR)", UNKNOWN),
    ],
)
def test_arrays_are_lists_and_nonsense_is_unknown(name: str, kind: Kind) -> None:
    assert parse_type(name) == kind


def test_the_kinds_are_those_that_duckdb_reports() -> None:
    name = 'STRUCT("a b" MAP(VARCHAR, JSON)[], c DECIMAL(18,2)[2], u UNION(n INTEGER, w VARCHAR))'
    reported = str(duckdb.sqltype(name))
    inside = (
        Kind("list", (Kind("map", (Kind("varchar"), Kind("json"))),)),
        Kind("list", (Kind("decimal"),)),
        Kind("union"),
    )

    assert parse_type(reported) == Kind("struct", inside)


CELLS = st.text('ab",;\r\n ', max_size=5)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=3), max_size=8), st.booleans())
def test_records_are_counted_as_a_reader_counts_them(rows: list[list[str]], quote_all: bool) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL, lineterminator="\n").writerows(rows)

    assert counting.count_records(io.BytesIO(buffer.getvalue().encode())) == len(rows)


@given(st.lists(CELLS, min_size=1, max_size=30), st.integers(1, 7))
def test_it_does_not_matter_where_a_chunk_ends(cells: list[str], size: int) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows([cell, "x"] for cell in cells)
    content = buffer.getvalue().encode()

    class Dripping(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            return super().read(size)

    assert counting.count_records(Dripping(content)) == len(cells)
    assert counting.count_lines(Dripping(content)) == content.count(b"\n")
    assert counting.count_occurrences(Dripping(content), b",x") == content.count(b",x")


@given(st.uuids(), st.uuids(), st.sampled_from(["csv", "parquet", "csv.gz", "csv.zip"]), st.integers(0, 10**6))
def test_the_name_of_a_file_tells_whose_it_is(user: object, job: object, ending: str, attempt: int) -> None:
    key = Key.parse(f"exports/{user}/{job}.{ending}")

    assert (key.folder, key.name) == (str(user), f"{job}.{ending}")
    assert parse_stored_name(key.name) == (job, None)
    assert parse_stored_name(key.partial(attempt)) == (job, attempt)


@given(st.text(max_size=60))
def test_other_names_are_nobodys(name: str) -> None:
    assert parse_stored_name(name) is None
