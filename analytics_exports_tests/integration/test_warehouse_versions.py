"""One reading sees one version of the warehouse, whatever happens to the file meanwhile."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.dataset import Column, Dataset, FilterSet, Relation
from analytics_exports.domain.errors import WarehouseBusy, WarehouseChanged, WarehouseUnavailable
from analytics_exports.domain.selection import Selection
from analytics_exports.warehouse import DuckDBWarehouse, checked_queries, paging
from analytics_exports_tests import factories
from analytics_exports_tests.rows import collected
from analytics_exports_tests.waiting import killed_at_end

ME, ALL = OwnerScope("me"), Selection()
ROWS = 300_000
DATASET: Dataset = factories.dataset(
    relation=Relation("analytics", "main", "versions"),
    columns=(Column("id", "BIGINT"), Column("user_id", "VARCHAR"), Column("version", "VARCHAR")),
    filters=FilterSet(),
    unique_key=("id",),
)


def build(path: Path, version: str, rows: int = ROWS) -> Path:
    """A warehouse of which each row names the version."""
    with duckdb.connect(str(path)) as connection:
        connection.execute(
            "CREATE TABLE versions AS "
            f"SELECT range AS id, 'me' AS user_id, '{version}' || md5(range::VARCHAR) AS version FROM range({rows})"
        )
    return path


def versions(frame: pl.DataFrame) -> set[str]:
    return set(frame["version"].str.head(1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return build(tmp_path / "warehouse.duckdb", "1")


def warehouse_at(path: Path, **changes: Any) -> DuckDBWarehouse:
    limits = {
        "memory_limit": "40MB",
        "threads": 1,
        "seconds": 60,
        "spill_root": path.parent / "spill",
        "lock_timeout": 0.2,
    }
    return DuckDBWarehouse(path, **{**limits, **changes})


def test_a_file_that_is_replaced_is_read_to_its_end_and_the_next_reading_sees_the_new_one(path: Path) -> None:
    warehouse = warehouse_at(path)
    with warehouse.scan(DATASET, ME, ALL) as old:
        batches = old.batches()
        first = next(batches)
        build(path.with_name("next"), "2").replace(path)
        with warehouse.scan(DATASET, ME, ALL) as new:
            assert versions(collected(new)) == {"2"}
            new.verify()
            assert new.data_as_of > old.data_as_of
        assert versions(pl.concat([first, *batches])) == {"1"}
        old.verify()


def read_whole(path: Path, meanwhile: Callable[[], object]) -> set[str]:
    """The versions seen by a reading during which something happens."""
    with warehouse_at(path).scan(DATASET, ME, ALL) as scan:
        meanwhile()
        seen = versions(collected(scan))
        scan.verify()
    return seen


def test_a_file_overwritten_in_place_is_never_taken_for_whole(path: Path) -> None:
    other = build(path.with_name("other"), "2")
    with pytest.raises(WarehouseChanged):
        read_whole(path, lambda: shutil.copyfile(other, path))


def test_a_file_overwritten_with_something_else_is_not_mistaken_for_another_error(path: Path) -> None:
    with pytest.raises(WarehouseChanged):
        read_whole(path, lambda: path.write_bytes(b"\x00" * path.stat().st_size))


def test_a_file_overwritten_after_it_lost_its_name_is_noticed(path: Path) -> None:
    alias = path.with_name("alias")
    os.link(path, alias)
    with warehouse_at(path).scan(DATASET, ME, ALL) as scan:
        build(path.with_name("next"), "2", rows=1).replace(path)
        scan.verify()
        with alias.open("r+b") as file:
            file.write(b"x")
        with pytest.raises(WarehouseChanged):
            scan.verify()


def test_a_page_of_a_file_that_is_overwritten_is_not_answered(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warehouse = warehouse_at(path)
    page = warehouse.page(DATASET, ME, ALL, limit=5)
    assert len(page.rows) == 5

    following = paging.position_after

    def overwrite(*args: Any) -> Any:
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        return following(*args)

    monkeypatch.setattr(checked_queries, "position_after", overwrite)
    with pytest.raises(WarehouseChanged):
        warehouse.page(DATASET, ME, ALL, limit=5_000)


WRITER = """
import duckdb, sys
held = duckdb.connect(sys.argv[1])
held.execute("BEGIN; UPDATE versions SET version = '9' WHERE id = 0")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def writer(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process in the middle of a write."""
    command = [sys.executable, "-c", WRITER, str(path)]
    pipe = subprocess.PIPE
    with killed_at_end(subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        yield process


def test_a_writer_is_waited_for(path: Path, writer: subprocess.Popen[str]) -> None:
    with pytest.raises(WarehouseBusy):
        warehouse_at(path).count(DATASET, ME, ALL)
    assert writer.stdin
    writer.stdin.close()

    assert warehouse_at(path, lock_timeout=30).count(DATASET, ME, ALL) == ROWS


def test_a_writer_that_was_killed_leaves_the_last_version(path: Path, writer: subprocess.Popen[str]) -> None:
    writer.kill()
    writer.wait()

    with warehouse_at(path).scan(DATASET, ME, ALL) as scan:
        assert versions(collected(scan)) == {"1"}


def test_readings_do_not_wait_for_each_other(path: Path) -> None:
    warehouse = warehouse_at(path)
    with warehouse.scan(DATASET, ME, ALL) as first, warehouse.scan(DATASET, ME, ALL) as second:
        rows = next(first.batches())
        assert collected(second).height == ROWS
        assert warehouse.count(DATASET, ME, ALL) == ROWS
        assert rows.height > 0


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.unlink(),
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"not a database" * 1000),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        lambda path: (path.unlink(), path.mkdir()),
    ],
    ids=["missing", "empty", "another file", "cut off", "a folder"],
)
def test_what_is_no_database_is_unavailable(path: Path, damage: Any) -> None:
    damage(path)

    with pytest.raises(WarehouseUnavailable):
        warehouse_at(path).count(DATASET, ME, ALL)
    with pytest.raises(WarehouseUnavailable):
        warehouse_at(path).describe(DATASET.relation)
