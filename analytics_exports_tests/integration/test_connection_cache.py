"""A connection that is kept between readings: when it is reused, renewed and closed."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import duckdb
import polars as pl
import pytest

from analytics_exports.domain.errors import DatasetChanged
from analytics_exports.warehouse import DuckDBWarehouse
from analytics_exports_tests.factories import dataset
from analytics_exports_tests.integration.test_warehouse_versions import ALL, DATASET, ME, build, versions, warehouse_at
from analytics_exports_tests.rows import collected

WRITES = "import duckdb, sys; duckdb.connect(sys.argv[1]).close()"


def read(warehouse: DuckDBWarehouse) -> pl.DataFrame:
    with warehouse.scan(DATASET, ME, ALL) as scan:
        return collected(scan)


def writable(path: Path) -> bool:
    """Whether another process could write into the file now."""
    return subprocess.run([sys.executable, "-c", WRITES, path], capture_output=True, check=False).returncode == 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return build(tmp_path / "warehouse.duckdb", "1", rows=10)


def test_the_file_stays_open_between_readings_inside_the_block_and_nowhere_else(path: Path) -> None:
    warehouse = warehouse_at(path)
    before = read(warehouse)
    assert writable(path)
    with warehouse.keep_alive():
        assert read(warehouse).equals(before)
        assert not writable(path)
        assert read(warehouse).equals(before)

    assert writable(path)


def test_every_reading_sees_the_version_that_is_there_when_it_begins(path: Path) -> None:
    warehouse = warehouse_at(path)
    with warehouse.keep_alive():
        assert versions(read(warehouse)) == {"1"}
        build(path.with_name("next"), "2", rows=10).replace(path)
        assert versions(read(warehouse)) == {"2"}


def test_readings_at_the_same_time_are_apart(path: Path) -> None:
    warehouse = warehouse_at(path)
    with warehouse.keep_alive(), warehouse.scan(DATASET, ME, ALL) as one, warehouse.scan(DATASET, ME, ALL) as other:
        one.interrupt()

        assert collected(other).height == 10
    assert writable(path)


def test_a_reading_that_was_stopped_does_not_stop_the_next(path: Path) -> None:
    warehouse = warehouse_at(path)
    with warehouse.keep_alive():
        with warehouse.scan(DATASET, ME, ALL) as stopped:
            stopped.interrupt()
        assert read(warehouse).height == 10


def test_a_reading_that_failed_leaves_nothing_to_the_next(path: Path) -> None:
    warehouse = warehouse_at(path)
    with warehouse.keep_alive():
        with pytest.raises(DatasetChanged), warehouse.scan(dataset(relation=DATASET.relation), ME, ALL):
            pass
        assert read(warehouse).height == 10


def test_a_duckdb_is_started_once_for_readings_one_after_the_other(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []
    connect = duckdb.connect

    def counted(database: str, **options: Any) -> duckdb.DuckDBPyConnection:
        started.append(database)
        return connect(database, **options)

    monkeypatch.setattr(duckdb, "connect", counted)
    warehouse = warehouse_at(path)
    for _ in range(3):
        read(warehouse)
        assert writable(path)
    with warehouse.scan(DATASET, ME, ALL) as one, warehouse.scan(DATASET, ME, ALL) as other:
        assert collected(one).equals(collected(other))
    read(warehouse)

    assert started == [":memory:"] * 2


def test_what_was_found_out_about_a_version_is_forgotten_with_it(path: Path) -> None:
    warehouse = warehouse_at(path)
    read(warehouse)
    with duckdb.connect(path) as connection:
        connection.execute(f"ALTER TABLE {DATASET.relation.schema}.{DATASET.relation.name} DROP COLUMN version")

    with pytest.raises(DatasetChanged):
        read(warehouse)


def test_a_reading_that_is_left_while_its_rows_arrive_lets_go_of_the_file(path: Path) -> None:
    path.unlink()
    warehouse = warehouse_at(build(path, "1", rows=300_000))
    with warehouse.scan(DATASET, ME, ALL) as scan:
        next(scan.batches())

    assert writable(path)
    assert read(warehouse).height == 300_000


def test_a_link_to_the_file_can_be_followed_and_changed(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "current.duckdb"
    link.symlink_to(path)
    warehouse = warehouse_at(link)
    assert versions(read(warehouse)) == {"1"}
    other = build(tmp_path / "other.duckdb", "2", rows=10)
    link.unlink()
    link.symlink_to(other)

    assert versions(read(warehouse)) == {"2"}


def test_an_interrupt_that_comes_late_does_not_stop_the_next_reading(path: Path) -> None:
    path.unlink()
    warehouse = warehouse_at(build(path, "1", rows=300_000))
    with warehouse.scan(DATASET, ME, ALL) as before:
        pass
    over = Event()

    def interrupt() -> None:
        while not over.is_set():
            before.interrupt()

    with ThreadPoolExecutor() as threads:
        late = threads.submit(interrupt)
        try:
            assert read(warehouse).height == 300_000
        finally:
            over.set()
        late.result()


def test_an_instance_for_other_files_makes_room(tmp_path: Path, path: Path) -> None:
    """Each link leads to another file, and each needs an instance of its own; the newest are kept."""
    link = tmp_path / "current.duckdb"
    link.symlink_to(path)
    warehouse = warehouse_at(link)
    for number in range(4):
        target = build(tmp_path / f"{number}.duckdb", str(number), rows=10)
        link.unlink()
        link.symlink_to(target)
        assert versions(read(warehouse)) == {str(number)}

    assert len(list((tmp_path / "spill").glob("*.lock"))) == 2
