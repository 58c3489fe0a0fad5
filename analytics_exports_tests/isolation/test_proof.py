"""The proof with a small budget, and that it detects each mutant."""

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.errors import IsolationViolation
from analytics_exports.domain.selection import Selection
from analytics_exports.warehouse import DuckDBWarehouse, adapter
from analytics_exports.warehouse.compiler import Compiler
from analytics_exports_tests.isolation import proof
from analytics_exports_tests.isolation.engine import ParquetEngine, PostgresEngine, write_file
from analytics_exports_tests.isolation.generated_data import VARIANTS, Example
from analytics_exports_tests.isolation.mutants import MUTANTS, Mutant, Mutated, owner, raw
from analytics_exports_tests.isolation.proof import Chunk, examine, hunt
from analytics_exports_tests.isolation.shape import shape_is_right
from analytics_exports_tests.rows import collected

SEED = 1
EVERYBODY = owner("true")


def example_of_two() -> Example:
    """Two owners with a row each; the first one asks for everything."""
    plain = VARIANTS[0]
    cells = {"day": None, "account": "x", "tag": ["x"], "status": "booked", "amount": None}
    mine = {"id": 0, "user_id": "Zo", "secret": "mine", **cells}
    return Example(
        plain, (mine, {**mine, "id": 1, "user_id": "Zoe", "secret": "not mine"}), OwnerScope("Zo"), Selection()
    )


def test_every_caller_gets_their_own_rows_and_all_of_them() -> None:
    examine(Chunk(SEED, 250))


def test_the_same_from_parquet_files_in_partitions(tmp_path: Path) -> None:
    examine(Chunk(SEED, 60), ParquetEngine(tmp_path))


def test_the_same_from_postgresql(analytics_url: str) -> None:
    with PostgresEngine(analytics_url) as engine:
        examine(Chunk(SEED, 120), engine)


def test_every_mutant_is_found_out_and_none_gets_past_the_guard() -> None:
    found = hunt(SEED)

    assert [mutant.name for mutant in MUTANTS if mutant.name not in found] == []


def test_a_change_that_does_no_harm_is_not_found_out() -> None:
    harmless = Mutant("text compared with text", owner("{text} COLLATE C = CAST($owner AS VARCHAR)", key=raw))

    assert hunt(SEED, [harmless], limit=100) == {}


def test_a_failure_is_shown_on_the_simplest_example(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "compiler", lambda example: Mutated(example, EVERYBODY))

    report = proof.report(Chunk(SEED, 20))

    assert report
    (example,) = [line for line in report.splitlines() if line.startswith("Seen with: ")]
    assert example.count("'secret': ") == 1, "one row of somebody else is all it takes"


def test_the_guard_stops_a_compiler_that_leaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    example = example_of_two()
    path = tmp_path / "warehouse.duckdb"
    write_file(path, example)
    warehouse = DuckDBWarehouse(path, memory_limit="100MB", threads=1, seconds=60, spill_root=tmp_path / "spill")
    request = (example.dataset, example.scope, example.selection)
    monkeypatch.setattr(adapter, "Compiler", lambda *args: Mutated(example, EVERYBODY))

    with warehouse.scan(*request) as scan, pytest.raises(IsolationViolation):
        collected(scan)
    with pytest.raises(IsolationViolation):
        warehouse.page(*request, limit=10)
    with pytest.raises(IsolationViolation):
        warehouse.count(*request)
    with pytest.raises(IsolationViolation):
        warehouse.estimate(*request)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (" AND ", " OR "),
        ("WHERE ", "WHERE true AND "),
        ("WHERE ", "WHERE NOT "),
        ("$owner", "'Zo'"),
        ("$start_date", "$owner"),
        ("$start_date", "'2024-01-01'"),
        ('."user_id" COLLATE', '."secret" COLLATE'),
        (' FROM "analytics"', ' FROM "other"'),
        (" WHERE", ", other WHERE"),
        (" WHERE", " JOIN other USING (id) WHERE"),
        ('WHERE "<rows>".', "WHERE "),
        (" ORDER BY", ' UNION ALL SELECT * FROM "analytics"."main"."plain" ORDER BY'),
        (" ORDER BY", " AND id IN (SELECT id FROM other) ORDER BY"),
        ("SELECT ", "WITH other AS (SELECT 1) SELECT "),
        ("SELECT ", "SELECT DISTINCT "),
    ],
)
def test_a_query_of_another_shape_is_refused(old: str, new: str) -> None:
    example = example_of_two()
    start = replace(example.selection, start_date=date(2024, 1, 1))
    query = Compiler(example.dataset, example.scope, start).rows()
    shape_is_right(query, example.dataset)

    with pytest.raises(AssertionError):
        shape_is_right(replace(query, sql=query.sql.replace(old, new, 1)), example.dataset)
