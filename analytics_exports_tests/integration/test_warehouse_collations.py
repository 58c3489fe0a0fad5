"""A column that compares loosely is seen, in tables and in views, and no dataset is made from it."""

from pathlib import Path

import duckdb
import pytest

from analytics_exports.domain.dataset import Relation
from analytics_exports.warehouse import DuckDBWarehouse


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    path = tmp_path / "analytics.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute('CREATE TABLE people (user_id VARCHAR COLLATE NOCASE, "Odd name" VARCHAR COLLATE DE, n INT)')
        connection.execute("CREATE TABLE plain (user_id VARCHAR, n INT)")
        connection.execute("CREATE VIEW seen AS SELECT user_id, n FROM people")
    return DuckDBWarehouse(path, memory_limit="100MB", threads=1, seconds=10, spill_root=tmp_path / "spill")


@pytest.mark.parametrize(
    ("name", "types"),
    [
        ("people", ["VARCHAR COLLATE NOCASE", "VARCHAR COLLATE DE", "INTEGER"]),
        ("plain", ["VARCHAR", "INTEGER"]),
        ("seen", ["VARCHAR COLLATE NOCASE", "INTEGER"]),
    ],
)
def test_the_type_of_a_column_says_how_it_compares(warehouse: DuckDBWarehouse, name: str, types: list[str]) -> None:
    columns = warehouse.describe(Relation("analytics", "main", name))

    assert columns is not None
    assert [column.type.upper() for column in columns] == types
