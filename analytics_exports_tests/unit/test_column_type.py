"""The types of columns: DuckDB itself says how each of its names is to be understood."""

import pytest
from duckdb.sqltypes import DuckDBPyType
from hypothesis import given
from hypothesis import strategies as st

from analytics_exports.catalogue import roles
from analytics_exports.domain.column_type import UNKNOWN, ColumnType, parse_type

SCALARS = [
    *("BOOLEAN", "TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"),
    *("UHUGEINT", "FLOAT", "DOUBLE", "DECIMAL(18,3)", "DECIMAL(38,0)", "VARCHAR", "UUID", "BLOB", "DATE", "TIME"),
    *("TIME_NS", "TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS", "TIMESTAMPTZ_NS", "BIT", "INTERVAL"),
    *("JSON", "VARIANT", "BIGNUM", "TIMESTAMP WITH TIME ZONE", "TIME WITH TIME ZONE"),
    *("ENUM('a', 'b, (c)', 'it''s')", 'UNION(number INTEGER, "wo(rd" VARCHAR[])'),
]
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=6)


def struct(name: str, first: str, second: str) -> str:
    return f'STRUCT("{name.replace(chr(34), 2 * chr(34))}" {first}, "its other" {second})'


TYPES = st.recursive(
    st.sampled_from(SCALARS),
    lambda inner: (
        inner.map("{}[]".format)
        | inner.map("{}[3]".format)
        | st.builds("MAP({}, {})".format, inner, inner)
        | st.builds(struct, NAMES, inner, inner)
    ),
    max_leaves=5,
)


def as_duckdb_says(of: DuckDBPyType) -> ColumnType:
    if of.id == "decimal":
        precision, scale = (value for _, value in of.children if isinstance(value, int))
        return ColumnType(str(of), "decimal", precision=precision, scale=scale)
    fields: tuple[tuple[str, ColumnType], ...] = ()
    if of.id in {"array", "list", "map", "struct"}:
        fields = tuple((name, as_duckdb_says(child)) for name, child in of.children if isinstance(child, DuckDBPyType))
    return ColumnType(str(of), "json" if str(of) == "JSON" else of.id, fields)


@given(TYPES)
def test_a_name_is_understood_as_duckdb_understands_it(name: str) -> None:
    known = DuckDBPyType(name)

    assert parse_type(str(known)) == as_duckdb_says(known)


@pytest.mark.parametrize(
    "name", ["STRUCT(a", "MAP(VARCHAR", "VARCHAR)", "mood", "", "[]", "'", "DECIMAL(a,b)", "STRUCT(a " * 5000]
)
def test_what_is_no_type_is_unknown(name: str) -> None:
    assert parse_type(name) == ColumnType(name, "unknown")


@given(st.text(st.sampled_from("AB(),[]\"' 1"), max_size=12))
def test_any_text_is_a_type_or_unknown(name: str) -> None:
    parse_type(name)


def test_a_collation_is_no_part_of_a_types_name() -> None:
    assert parse_type("VARCHAR COLLATE nocase.noaccent") == ColumnType(
        "VARCHAR", "varchar", collation="nocase.noaccent"
    )


def test_nothing_is_inside_a_scalar() -> None:
    assert parse_type("INTEGER").child == UNKNOWN
    assert parse_type("MAP(VARCHAR, JSON)").inner(1).kind == "json"


@pytest.mark.parametrize(
    ("role", "accepted", "refused"),
    [
        (roles.OWNER, ["uuid", "BIGINT", "VARCHAR"], ["VARCHAR COLLATE NOCASE", "DOUBLE", "UUID[]", "mood", ""]),
        (roles.TAG, ["VARCHAR[]", "UUID[3]", "INTEGER"], ["VARCHAR[][]", "JSON", "MAP(VARCHAR, VARCHAR)"]),
        (roles.DATE, ["DATE", "TIMESTAMP WITH TIME ZONE"], ["TIME", "VARCHAR"]),
        (roles.CHOICE, ["BOOLEAN", "ENUM('a')", "VARCHAR"], ["DOUBLE", "VARCHAR COLLATE de"]),
        (roles.NUMBER, ["DECIMAL(18,2)", "DOUBLE", "UHUGEINT"], ["VARCHAR", "BIGNUM"]),
    ],
)
def test_a_role_takes_types_that_are_compared_exactly(
    role: roles.Role, accepted: list[str], refused: list[str]
) -> None:
    assert [name for name in (*accepted, *refused) if role.accepts(name)] == accepted
