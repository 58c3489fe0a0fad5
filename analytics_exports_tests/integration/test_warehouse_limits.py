"""What a reading may not access, the limits of its resources, and what its errors may not show."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread, Timer
from typing import Any

import duckdb
import pytest

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.dataset import Column, Dataset, FilterSet, Relation
from analytics_exports.domain.errors import (
    DatasetChanged,
    ExportError,
    InternalFailure,
    OutOfMemory,
    RunCancelled,
    StorageUnavailable,
    TimedOut,
)
from analytics_exports.domain.selection import Selection
from analytics_exports.warehouse import DuckDBWarehouse
from analytics_exports.warehouse.connection import ConnectionCache, QueryLimits
from analytics_exports.warehouse.duckdb_session import DuckDBSession
from analytics_exports.warehouse.sources import source_of
from analytics_exports_tests import factories
from analytics_exports_tests.rows import collected
from analytics_exports_tests.waiting import LIMIT_SECONDS

ME, ALL = OwnerScope("me"), Selection()
SECRET = "somebody-elses-cell"


def dataset(name: str, *columns: Column) -> Dataset:
    return factories.dataset(
        relation=Relation("analytics", "main", name),
        columns=(Column("user_id", "VARCHAR"), *columns),
        filters=FilterSet(),
        unique_key=(),
    )


ENDLESS = dataset("endless", Column("number", "BIGINT"))
WIDE = dataset("wide", Column("number", "BIGINT"), Column("text", "VARCHAR"))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse with views that take for ever, fail, or try to read other files."""
    folder = tmp_path_factory.mktemp("built")
    path = folder / "warehouse.duckdb"
    (folder / "private.txt").write_text(SECRET)
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE plain AS SELECT 'me' AS user_id")
        connection.execute(
            "CREATE TABLE wide AS "
            "SELECT 'me' AS user_id, range AS number, md5(range::VARCHAR) AS text FROM range(500_000)"
        )
        connection.execute(
            "CREATE VIEW endless AS SELECT 'me' AS user_id, range AS number FROM range(1_000_000_000_000)"
        )
        connection.execute(
            f"CREATE VIEW broken AS SELECT user_id, ('{SECRET}' || random())::INTEGER AS cell FROM plain"
        )
        connection.execute(
            f"CREATE VIEW nosy AS SELECT 'me' AS user_id, content FROM read_text('{folder / 'private.txt'}')"
        )
    return path


@pytest.fixture
def path(built: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(built, tmp_path))


def warehouse_at(path: Path, **changes: Any) -> DuckDBWarehouse:
    limits = {"memory_limit": "100MB", "threads": 1, "seconds": 60, "spill_root": path.parent / "spill"}
    return DuckDBWarehouse(path, **{**limits, **changes})


@pytest.fixture
def connection(path: Path) -> Iterator[DuckDBSession]:
    limits, plain = QueryLimits("100MB", 2, 60), Relation("analytics", "main", "plain")
    with ConnectionCache(path, limits, path.parent / "spill", 0).connect(plain) as connection:
        yield connection


@pytest.mark.parametrize(
    "statement",
    [
        "FROM read_text('{folder}/private.txt')",
        "FROM read_blob('{folder}/private.txt')",
        "FROM read_csv('{folder}/private.txt')",
        "FROM '{folder}/private.txt'",
        "FROM glob('{folder}/*')",
        "ATTACH '{folder}/other.duckdb' AS other",
        "COPY (SELECT 1) TO '{folder}/stolen.csv'",
        "EXPORT DATABASE '{folder}/stolen'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "FROM 'http://127.0.0.1/x.csv'",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "SET memory_limit = '10GB'",
        "SET threads = 8",
        "SET max_execution_time = 0",
        "SET temp_directory = '{folder}'",
        "SET TimeZone = 'Asia/Tokyo'",
        "RESET memory_limit",
        "INSERT INTO analytics.main.plain VALUES ('me')",
        "DELETE FROM analytics.main.plain",
        "DROP TABLE analytics.main.plain",
        "CREATE TABLE analytics.main.more (i INTEGER)",
        "CREATE VIEW analytics.main.more AS SELECT 1",
        "SELECT getenv('PATH')",
        "FROM ME",
    ],
)
def test_a_connection_reads_the_warehouse_and_nothing_else(
    connection: DuckDBSession, path: Path, statement: str
) -> None:
    with pytest.raises(duckdb.Error):
        connection.duckdb.execute(statement.format(folder=path.parent))


def test_a_connection_has_its_limits_and_reads_utc(connection: DuckDBSession) -> None:
    names = ("threads", "max_execution_time", "TimeZone", "memory_limit")
    shown = connection.duckdb.execute(f"SELECT {', '.join(f'current_setting({name!r})' for name in names)}").fetchone()

    assert shown == (2, 60_000, "UTC", "95.3 MiB")


@pytest.mark.parametrize("name", ["main", "memory", "SYSTEM", "temp"])
def test_a_database_cannot_take_the_name_of_one_of_duckdbs_own(path: Path, name: str) -> None:
    with pytest.raises(DatasetChanged):
        warehouse_at(path).count(factories.dataset(relation=Relation(name, "main", "plain")), ME, ALL)


@pytest.mark.parametrize("name", ["analytics", "Data base", 'quo"te', "semi;colon", "apo'strophe"])
def test_a_database_can_have_any_other_name(path: Path, name: str) -> None:
    plain = factories.dataset(
        relation=Relation(name, "main", "plain"),
        columns=(Column("user_id", "VARCHAR"),),
        filters=FilterSet(),
        unique_key=(),
    )

    assert warehouse_at(path).count(plain, ME, ALL) == 1


def test_a_query_ends_after_its_time(path: Path) -> None:
    warehouse = warehouse_at(path, seconds=0.2)
    with pytest.raises(TimedOut):
        warehouse.count(ENDLESS, ME, ALL)
    with warehouse.scan(ENDLESS, ME, ALL) as scan, pytest.raises(TimedOut):
        collected(scan)


def test_a_query_ends_when_its_memory_is_used_up(path: Path) -> None:
    warehouse = warehouse_at(path, memory_limit="4MB")
    with warehouse.scan(WIDE, ME, ALL) as scan, pytest.raises(OutOfMemory):
        collected(scan)


def test_a_scan_is_interrupted_from_another_thread_while_duckdb_sorts(path: Path) -> None:
    outcome: list[BaseException] = []

    def read() -> None:
        try:
            collected(scan)
        except RunCancelled as error:
            outcome.append(error)

    with warehouse_at(path).scan(ENDLESS, ME, ALL) as scan:
        reader = Thread(target=read)
        reader.start()
        scan.interrupt()
        reader.join(LIMIT_SECONDS)

        assert not reader.is_alive()
    assert [type(error) for error in outcome] == [RunCancelled]


class Stop(BaseException):
    """As Dagster stops a run: raised by the handler of a signal."""


def test_a_signal_that_arrives_during_a_statement_is_an_interrupt_and_no_defect(path: Path) -> None:
    def stop(_number: int, _frame: object) -> None:
        raise Stop

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with duckdb.connect(path) as raw, ThreadPoolExecutor(1) as thread:
            raw.execute("SET threads = 1")  # or the main thread may wait for another, which does not hear of signals
            connection = DuckDBSession(raw, source_of(path).version(), thread=thread)
            Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
            with pytest.raises(KeyboardInterrupt), connection.domain_errors():
                raw.execute("SELECT count(*) FROM range(1_000_000_000_000)")
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_leaving_a_scan_stops_it_and_a_late_interrupt_does_nothing(path: Path) -> None:
    with warehouse_at(path).scan(WIDE, ME, ALL) as scan:
        batches = scan.batches()
        assert next(batches).height > 0
    scan.interrupt()

    with pytest.raises(RunCancelled):
        collected(scan)


@pytest.mark.parametrize(
    ("failing", "kind"),
    [
        (dataset("broken", Column("cell", "INTEGER")), "Conversion"),
        (dataset("nosy", Column("content", "VARCHAR")), "Permission"),
    ],
    ids=["a cell that does not convert", "a view of another file"],
)
def test_an_error_tells_nothing_of_what_it_met(
    path: Path, failing: Dataset, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    warehouse = warehouse_at(path)
    with pytest.raises(ExportError) as paged:
        warehouse.page(failing, ME, ALL, limit=1)
    with pytest.raises(ExportError) as scanned, warehouse.scan(failing, ME, ALL) as scan:
        collected(scan)

    for error in (paged.value, scanned.value):
        assert type(error) is InternalFailure
        assert str(error) == InternalFailure.sentence()
        assert error.__cause__ is None
        assert error.__suppress_context__
    assert caplog.messages == [f"DuckDB failed: {kind}"] * 2


def test_nothing_is_left_of_what_was_spilt(path: Path) -> None:
    spill = path.parent / "spill"
    with warehouse_at(path, memory_limit="40MB").scan(WIDE, ME, ALL) as scan:
        batches = scan.batches()
        rows = next(batches).height
        assert [item.is_dir() for item in sorted(spill.iterdir())] == [True, False], "the folder and its lock"
        assert rows + sum(batch.height for batch in batches) == 500_000
    assert list(spill.iterdir()) == []


def test_a_place_to_spill_that_cannot_be_written_to_is_reported(path: Path) -> None:
    in_the_way = path.with_name("file")
    in_the_way.touch()

    with pytest.raises(StorageUnavailable):
        warehouse_at(path, spill_root=in_the_way / "spill").count(dataset("plain"), ME, ALL)


KILLED = """
import os, signal, sys
from pathlib import Path
from analytics_exports.warehouse.spill import spill_folder
with spill_folder(Path(sys.argv[1])) as folder:
    folder.mkdir()
    (folder / "duckdb_temp").write_bytes(b"x")
    print(folder.name, flush=True)
    sys.stdin.read()
"""


def test_what_a_killed_process_spilt_is_swept_and_a_living_ones_stays(tmp_path: Path) -> None:
    path, spill = tmp_path / "warehouse.duckdb", tmp_path / "spill"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE plain AS SELECT 'me' AS user_id")
    command = [sys.executable, "-c", KILLED, str(spill)]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as killed,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as living,
    ):
        assert killed.stdout
        assert living.stdout
        left, used = killed.stdout.readline().strip(), living.stdout.readline().strip()
        os.kill(killed.pid, signal.SIGKILL)
        killed.wait()

        assert (spill / left).is_dir()
        assert warehouse_at(path).count(dataset("plain"), ME, ALL) == 1
        assert not (spill / left).exists()
        assert (spill / used).is_dir()
    assert list(spill.iterdir()) == []
