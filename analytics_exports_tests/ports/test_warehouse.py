"""What every Warehouse must do: run on a DuckDB file, a folder of Parquet files, PostgreSQL, and in memory."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from uuid import UUID

import duckdb
import polars as pl
import psycopg
import pytest
from psycopg import sql

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.dataset import Column, Dataset, Relation
from analytics_exports.domain.errors import (
    DatasetChanged,
    InvalidRequest,
    RunCancelled,
    WarehouseBusy,
    WarehouseChanged,
    WarehouseUnavailable,
)
from analytics_exports.domain.selection import EnumChoice, NumericRange, Selection
from analytics_exports.ports import Warehouse
from analytics_exports.warehouse import DuckDBWarehouse
from analytics_exports.warehouse.postgres import PostgresWarehouse
from analytics_exports_tests import factories, postgres_tables
from analytics_exports_tests.fakes.warehouse import FakeWarehouse
from analytics_exports_tests.isolation.generated_data import Row
from analytics_exports_tests.rows import collected

DATASET = factories.dataset(relation=Relation("analytics", "My Marts", "Größe.v1"))
TABLE = f'"{DATASET.relation.schema}"."{DATASET.relation.name}"'
"""A table whose names have to be quoted, as those of real projects do."""

ME, OTHER = UUID(int=0xA), UUID(int=0xB)
MINE = OwnerScope(str(ME))
ALL = Selection()
ACCOUNT, TAG = UUID(int=0xC), UUID(int=0xD)


def row(number: int, owner: UUID | None, day: date | None, **changes: object) -> Row:
    """A row of the dataset; its amount is its number."""
    return {
        "transaction_id": UUID(int=number),
        "user_id": owner,
        "booking_date": day,
        "account_id": ACCOUNT,
        "tag_ids": [TAG],
        "status": "booked",
        "amount": Decimal(number).quantize(Decimal("0.01")),
        **changes,
    }


JANUARY = date(2024, 1, 31)
FEBRUARY = date(2024, 2, 1)
ROWS = (
    row(1, ME, FEBRUARY),
    row(2, ME, JANUARY, tag_ids=None, status=None, amount=None),
    row(3, ME, None, account_id=None, tag_ids=[]),
    row(4, ME, JANUARY, tag_ids=[UUID(int=1), TAG], status="pending"),
    row(5, OTHER, JANUARY),
    row(6, None, JANUARY),
    row(7, ME, FEBRUARY + timedelta(days=1), account_id=UUID(int=1)),
)
IN_ORDER = [2, 4, 1, 7, 3]


class WarehouseHarness:
    """A warehouse that holds the rows, and what can happen to it."""

    def __init__(self, kind: str, warehouse: Warehouse, happen: Callable[[str], object]) -> None:
        self.kind = kind
        self.warehouse = warehouse
        self.happen = happen

    def frame(self, selection: Selection, scope: OwnerScope = MINE, dataset: Dataset = DATASET) -> pl.DataFrame:
        with self.warehouse.scan(dataset, scope, selection) as scan:
            return collected(scan)

    def numbers(self, selection: Selection, scope: OwnerScope = MINE) -> list[int]:
        return [UUID(text).int for text in self.frame(selection, scope)["transaction_id"]]


def build(path: Path) -> None:
    """A warehouse file with the rows, written beside and renamed."""
    fresh = path.with_suffix(".fresh")
    fresh.write_bytes(content())
    fresh.replace(path)


@cache
def content() -> bytes:
    """What is in that file."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(str(Path(folder, "built.duckdb"))) as connection:
        columns = ", ".join(f"{column.name} {column.type}" for column in DATASET.columns)
        connection.execute(f'CREATE SCHEMA "{DATASET.relation.schema}"')
        connection.execute(f"CREATE TABLE {TABLE} ({columns})")
        names = [column.name for column in DATASET.columns]
        marks = ", ".join("?" for _ in names)
        connection.executemany(
            f"INSERT INTO {TABLE} VALUES ({marks})", [[item[name] for name in names] for item in ROWS]
        )
        connection.execute("CHECKPOINT")
        return Path(folder, "built.duckdb").read_bytes()


WRITER = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('ready', flush=True); sys.stdin.read()"


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Another process that has the file open for writing."""
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin
        assert writer.stdout
        assert writer.stdout.readline() == "ready\n"
        yield
        writer.stdin.close()


def build_folder(folder: Path) -> Path:
    """A folder of Parquet files with the rows, in partitions; returns one of the files."""
    build(folder.with_suffix(".duckdb"))
    target = folder / DATASET.relation.schema / DATASET.relation.name
    target.mkdir(parents=True)
    with duckdb.connect(str(folder.with_suffix(".duckdb")), read_only=True) as connection:
        connection.execute(f"COPY {TABLE} TO '{target}' (FORMAT parquet, PARTITION_BY (booking_date, status))")
    return max(target.rglob("*.parquet"))


@contextmanager
def postgres_harness(url: str) -> Iterator[WarehouseHarness]:
    """A table in PostgreSQL; the database is away while it has another name."""
    base, _, name = url.rpartition("/")
    renamed: list[str] = []

    def rename(old: str, new: str) -> None:
        with psycopg.connect(f"{base}/postgres", autocommit=True) as server:
            server.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(old), sql.Identifier(new)))
        renamed.append(new)

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'DROP SCHEMA IF EXISTS "{DATASET.relation.schema}" CASCADE')
        postgres_tables.create(connection, DATASET.relation, DATASET.columns)
        names = [column.name for column in DATASET.columns]
        postgres_tables.fill(connection, DATASET.relation, [[item[name] for name in names] for item in ROWS])
    warehouse = PostgresWarehouse(url, memory_limit="100MB", seconds=60)
    yield WarehouseHarness("postgres", warehouse, lambda event: rename(name, "elsewhere"))
    if renamed:
        rename("elsewhere", name)


@pytest.fixture(params=["duckdb", "parquet", "postgres", "memory"])
def harness(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WarehouseHarness]:
    if request.param == "postgres":
        with postgres_harness(request.getfixturevalue("analytics_url")) as found:
            yield found
        return
    if request.param == "memory":
        fake = FakeWarehouse()
        fake.load(DATASET, ROWS)
        yield WarehouseHarness(request.param, fake, lambda event: setattr(fake, event, True))
        return
    path = tmp_path / ("warehouse.duckdb" if request.param == "duckdb" else "warehouse")
    file = path
    if request.param == "duckdb":
        build(path)
    else:
        file = build_folder(path)
    with ExitStack() as held:
        events: dict[str, Callable[[], object]] = {
            "away": lambda: path.rename(tmp_path / "elsewhere"),
            "busy": lambda: held.enter_context(writing(path)),
            "overwritten": lambda: file.write_bytes(file.read_bytes() + b"x"),
        }
        warehouse = DuckDBWarehouse(
            path, memory_limit="100MB", threads=2, seconds=60, spill_root=tmp_path / "spill", lock_timeout=0.1
        )
        yield WarehouseHarness(request.param, warehouse, lambda event: events[event]())


def test_a_caller_gets_their_rows_in_order_and_all_columns(harness: WarehouseHarness) -> None:
    frame = harness.frame(ALL)

    assert frame.columns == [column.name for column in DATASET.columns]
    assert [UUID(text).int for text in frame["transaction_id"]] == IN_ORDER
    assert frame["user_id"].unique().to_list() == [str(ME)]
    assert frame.row(1, named=True) == {
        "transaction_id": str(UUID(int=4)),
        "user_id": str(ME),
        "booking_date": JANUARY,
        "account_id": str(ACCOUNT),
        "tag_ids": [str(UUID(int=1)), str(TAG)],
        "status": "pending",
        "amount": Decimal("4.00"),
    }


@pytest.mark.parametrize("key", ["", "%", str(ME).upper(), f"{ME} ", ME.hex, str(UUID(int=0xF)), "' OR true --"])
def test_a_key_that_is_nobodys_gets_nothing(harness: WarehouseHarness, key: str) -> None:
    assert harness.numbers(ALL, OwnerScope(key)) == []
    assert harness.warehouse.count(DATASET, OwnerScope(key), ALL) == 0
    assert harness.warehouse.page(DATASET, OwnerScope(key), ALL, limit=10).rows == ()


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (Selection(start_date=FEBRUARY), [1, 7]),
        (Selection(end_date=FEBRUARY), [2, 4, 1]),
        (Selection(start_date=FEBRUARY, end_date=FEBRUARY), [1]),
        (Selection(start_date=date.min, end_date=date.max), [2, 4, 1, 7]),
        (Selection(account_ids=(str(UUID(int=1)),)), [7]),
        (Selection(account_ids=(str(ACCOUNT), str(UUID(int=1)))), [2, 4, 1, 7]),
        (Selection(account_ids=()), []),
        (Selection(tag_ids=(str(UUID(int=1)), "unknown")), [4]),
        (Selection(tag_ids=(str(TAG),)), [4, 1, 7]),
        (Selection(tag_ids=()), []),
        (Selection(enum_filters=(EnumChoice("status", ("booked",)),)), [1, 7, 3]),
        (Selection(enum_filters=(EnumChoice("status", ("booked", "pending")),)), [4, 1, 7, 3]),
        (Selection(enum_filters=(EnumChoice("status", ()),)), []),
        (Selection(numeric_filters=(NumericRange("amount", Decimal(4)),)), [4, 7]),
        (Selection(numeric_filters=(NumericRange("amount", None, Decimal("3.999")),)), [1, 3]),
        (Selection(numeric_filters=(NumericRange("amount", Decimal("3.001"), Decimal(7)),)), [4, 7]),
        (Selection(start_date=FEBRUARY, account_ids=(str(ACCOUNT),), tag_ids=(str(TAG),)), [1]),
    ],
)
def test_a_filter_lets_the_right_rows_pass(
    harness: WarehouseHarness, selection: Selection, expected: list[int]
) -> None:
    assert harness.numbers(selection) == expected
    assert harness.warehouse.count(DATASET, MINE, selection) == len(expected)


def test_the_database_may_be_called_after_a_file_with_a_dash(harness: WarehouseHarness) -> None:
    dataset = replace(DATASET, relation=replace(DATASET.relation, database="jaffle-shop"))
    if harness.kind == "postgres":  # which knows what its database is called
        with pytest.raises(DatasetChanged):
            harness.frame(ALL, dataset=dataset)
        return
    if isinstance(harness.warehouse, FakeWarehouse):
        harness.warehouse.load(dataset, ROWS)

    assert [UUID(text).int for text in harness.frame(ALL, dataset=dataset)["transaction_id"]] == IN_ORDER


def test_columns_come_as_they_were_asked_for(harness: WarehouseHarness) -> None:
    some = Selection(columns=("amount", "booking_date"))
    with harness.warehouse.scan(DATASET, MINE, some) as scan:
        assert scan.columns == (Column("amount", "DECIMAL(18,2)"), Column("booking_date", "DATE"))
        assert scan.schema == {"amount": pl.Decimal(18, 2), "booking_date": pl.Date()}
        assert collected(scan).height == len(IN_ORDER)


def test_the_rows_can_be_read_again(harness: WarehouseHarness) -> None:
    with harness.warehouse.scan(DATASET, MINE, ALL) as scan:
        abandoned = scan.batches()
        next(abandoned)
        rows = collected(scan)
        del abandoned

        assert rows.height == len(IN_ORDER)
        assert collected(scan).equals(rows)


def test_a_scan_tells_what_it_read(harness: WarehouseHarness) -> None:
    with harness.warehouse.scan(DATASET, MINE, ALL) as scan:
        assert scan.preview.height == 0
        assert scan.preview.schema == scan.schema
        rows = collected(scan)
        scan.verify()

        assert scan.preview.equals(rows.head(5))
        assert scan.data_as_of <= harness.warehouse.data_as_of()
        assert harness.kind == "postgres" or scan.data_as_of == harness.warehouse.data_as_of()
        assert scan.data_as_of.utcoffset() == timedelta(0)


def test_an_interrupted_scan_gives_nothing(harness: WarehouseHarness) -> None:
    with harness.warehouse.scan(DATASET, MINE, ALL) as scan:
        scan.interrupt()
        with pytest.raises(RunCancelled):
            collected(scan)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6])
@pytest.mark.parametrize(
    "selection", [ALL, Selection(columns=("transaction_id", "status")), Selection(tag_ids=(str(TAG),))]
)
def test_pages_put_end_to_end_are_the_scan(harness: WarehouseHarness, limit: int, selection: Selection) -> None:
    rows: list[str] = []
    cursors: list[str] = []
    page = harness.warehouse.page(DATASET, MINE, selection, limit=limit)
    while True:
        assert page.columns == harness.warehouse.page(DATASET, MINE, selection, limit=1).columns
        rows += page.rows
        if page.next is None:
            break
        assert len(page.rows) == limit
        cursors.append(page.next)
        page = harness.warehouse.page(DATASET, MINE, selection, limit=limit, after=page.next)

    assert [UUID(json.loads(text)["transaction_id"]).int for text in rows] == harness.numbers(selection)
    assert len(set(cursors)) == len(cursors)


def test_a_page_can_begin_anywhere(harness: WarehouseHarness) -> None:
    page = harness.warehouse.page(DATASET, MINE, ALL, limit=2, offset=1)

    assert [json.loads(text)["amount"] for text in page.rows] == ["4.00", "1.00"]
    assert page.next
    assert len(harness.warehouse.page(DATASET, MINE, ALL, limit=10, after=page.next).rows) == 2
    assert harness.warehouse.page(DATASET, MINE, ALL, limit=2, offset=100).rows == ()


def test_a_row_is_one_json_object(harness: WarehouseHarness) -> None:
    page = harness.warehouse.page(DATASET, MINE, ALL, limit=2)

    assert json.loads(page.rows[1]) == {
        "transaction_id": str(UUID(int=4)),
        "user_id": str(ME),
        "booking_date": "2024-01-31",
        "account_id": str(ACCOUNT),
        "tag_ids": [str(UUID(int=1)), str(TAG)],
        "status": "pending",
        "amount": "4.00",
    }
    assert json.loads(page.rows[0])["tag_ids"] is None
    assert page.data_as_of <= harness.warehouse.data_as_of()


def test_a_cursor_belongs_to_one_request(harness: WarehouseHarness) -> None:
    cursor = harness.warehouse.page(DATASET, MINE, ALL, limit=1).next
    other = replace(DATASET, id=factories.dataset(name="other").id)
    requests = [
        (other, MINE, ALL),
        (DATASET, OwnerScope(str(OTHER)), ALL),
        (DATASET, MINE, Selection(start_date=JANUARY)),
    ]

    for request in requests:
        with pytest.raises(InvalidRequest):
            harness.warehouse.page(*request, limit=1, after=cursor)
    with pytest.raises(InvalidRequest):
        harness.warehouse.page(DATASET, MINE, ALL, limit=1, after="not a cursor")


def test_a_count_can_be_interrupted(harness: WarehouseHarness) -> None:
    assert harness.warehouse.count(DATASET, MINE, ALL) == len(IN_ORDER)
    with pytest.raises(RunCancelled):
        harness.warehouse.count(DATASET, MINE, ALL, lambda interrupt: interrupt())


def test_an_estimate_has_the_exact_rows(harness: WarehouseHarness) -> None:
    estimate = harness.warehouse.estimate(DATASET, MINE, ALL)

    assert estimate.row_count == len(IN_ORDER)
    assert 100 < estimate.text_bytes / estimate.row_count < 300
    assert harness.warehouse.estimate(DATASET, MINE, Selection(account_ids=())).text_bytes == 0


def test_a_table_is_described(harness: WarehouseHarness) -> None:
    described = harness.warehouse.describe(DATASET.relation)
    assert described
    assert sorted(described, key=str) == sorted(DATASET.columns, key=str), "partition columns come last"
    assert harness.warehouse.describe(Relation("analytics", "main", "nothing")) is None


@pytest.mark.parametrize(
    "changed",
    [
        replace(DATASET, relation=Relation("analytics", "main", "nothing")),
        replace(DATASET, columns=(*DATASET.columns, Column("gone", "INTEGER"))),
    ],
    ids=["no table", "no column"],
)
def test_a_dataset_that_no_longer_fits_is_reported(harness: WarehouseHarness, changed: Dataset) -> None:
    with pytest.raises(DatasetChanged), harness.warehouse.scan(changed, MINE, ALL):
        pass
    with pytest.raises(DatasetChanged):
        harness.warehouse.page(changed, MINE, ALL, limit=1)


@pytest.mark.parametrize(("event", "error"), [("away", WarehouseUnavailable), ("busy", WarehouseBusy)])
def test_a_warehouse_that_cannot_be_read_is_reported(
    harness: WarehouseHarness, event: str, error: type[WarehouseUnavailable | WarehouseBusy]
) -> None:
    if event == "busy" and harness.kind in {"parquet", "postgres"}:
        pytest.skip("no writer keeps readers out")
    harness.happen(event)

    with pytest.raises(error), harness.warehouse.scan(DATASET, MINE, ALL):
        pass
    for ask in (harness.warehouse.count, harness.warehouse.estimate):
        with pytest.raises(error):
            ask(DATASET, MINE, ALL)
    with pytest.raises(error):
        harness.warehouse.describe(DATASET.relation)


def test_a_warehouse_that_is_away_has_no_date(harness: WarehouseHarness) -> None:
    harness.happen("away")

    with pytest.raises(WarehouseUnavailable):
        harness.warehouse.data_as_of()


def test_overwriting_in_place_is_noticed(harness: WarehouseHarness) -> None:
    if harness.kind == "postgres":
        pytest.skip("a snapshot does not change")
    with harness.warehouse.scan(DATASET, MINE, ALL) as scan:
        scan.verify()
        harness.happen("overwritten")
        with pytest.raises(WarehouseChanged):
            scan.verify()
