"""Large tables that are read range by range: the same rows in the same order as one query gives, whatever the table."""

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.dataset import Column, Dataset, FilterSet, Relation
from analytics_exports.domain.errors import IsolationViolation
from analytics_exports.domain.selection import Selection
from analytics_exports.warehouse import DuckDBWarehouse
from analytics_exports.warehouse.compiler import Compiler
from analytics_exports.warehouse.connection import ConnectionCache, QueryLimits
from analytics_exports.warehouse.ranges import BLOCK_ROWS, extents, ranges
from analytics_exports_tests import factories
from analytics_exports_tests.rows import collected

ME, YOU = OwnerScope("me"), OwnerScope("you")
ROWS = 3 * BLOCK_ROWS
DAY = "DATE '2020-01-01' + (number // 5000)::INTEGER"


@dataclass(frozen=True)
class Case:
    """A table of numbers, its order in the file, and in how many ranges its rows are read; 0 for one query."""

    key: str
    type: str
    order: str
    ranges: int
    view: bool = False

    @property
    def dataset(self) -> Dataset:
        return factories.dataset(
            relation=Relation("analytics", "main", "rows"),
            columns=(Column("user_id", "VARCHAR"), Column("key", self.type), Column("number", "BIGINT")),
            filters=FilterSet(date_column="key"),
            unique_key=("number",),
        )


CASES = {
    "days": Case(DAY, "DATE", "number", 3),
    "days, the last unknown": Case(f"CASE WHEN number < {ROWS} - 9 THEN {DAY} END", "DATE", "number", 4),
    "moments": Case(
        "TIMESTAMPTZ '2020-01-01 00:00:00+00' + to_seconds(number)", "TIMESTAMP WITH TIME ZONE", "number", 3
    ),
    "texts": Case("printf('%09d', number)", "VARCHAR", "number", 3),
    "one day": Case("DATE '2020-01-01'", "DATE", "number", 0),
    "unordered": Case(DAY, "DATE", "hash(number)", 0),
    "fractions": Case("number / 7", "DOUBLE", "number", 0),
    "a view": Case(DAY, "DATE", "number", 0, view=True),
}


def make(path: Path, case: Case) -> None:
    """Eight rows of nine are the caller's."""
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"""
            CREATE TABLE stored AS SELECT CASE WHEN number % 9 = 8 THEN 'you' ELSE 'me' END AS user_id,
              CAST({case.key} AS {case.type}) AS key, number
            FROM range({ROWS} * 9 // 8) AS t(number) ORDER BY user_id, {case.order}
        """)
        connection.execute("CREATE VIEW rows AS FROM stored" if case.view else "ALTER TABLE stored RENAME TO rows")


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_ranges_are_the_rows_in_their_order(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    make(path, case)
    connections = ConnectionCache(path, QueryLimits("200MB", 2, 60), tmp_path / "spill", 1)
    with connections.connect(case.dataset.relation) as connection:
        compiler = Compiler(case.dataset, ME, Selection())
        look = compiler.extents()
        known = extents(connection.blocks(look), ME) if look else []
        assert len(ranges(known)) == case.ranges
        query = compiler.rows()
        expected = connection.duckdb.sql(query.sql, params=dict(query.params)).to_arrow_table().column("number")

    warehouse = DuckDBWarehouse(path, memory_limit="200MB", threads=2, seconds=60, spill_root=tmp_path / "spill")
    with warehouse.scan(case.dataset, ME, Selection()) as scan:
        assert collected(scan)["number"].to_list() == expected.to_pylist()


def test_blocks_of_others_are_not_looked_at(tmp_path: Path) -> None:
    path, case = tmp_path / "warehouse.duckdb", CASES["days"]
    make(path, case)
    connections = ConnectionCache(path, QueryLimits("200MB", 2, 60), tmp_path / "spill", 1)
    with connections.connect(case.dataset.relation) as connection:
        look = Compiler(case.dataset, ME, Selection()).extents()
        assert look is not None
        assert sum(extent.rows for extent in extents(connection.blocks(look), ME)) == ROWS
        with pytest.raises(IsolationViolation):
            extents(connection.blocks(look), YOU)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_only_a_table_of_more_than_one_range_is_large(case: Case, tmp_path: Path) -> None:
    path = tmp_path / "warehouse.duckdb"
    make(path, case)
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE few AS SELECT number FROM rows LIMIT 100")
    connections = ConnectionCache(path, QueryLimits("200MB", 2, 60), tmp_path / "spill", 1)
    with connections.connect(case.dataset.relation) as session:
        assert session.is_large_table(case.dataset.relation) != case.view
        assert not session.is_large_table(Relation("analytics", "main", "few"))
