"""Query pages put end to end are the CSV file are the Parquet file, for every demo dataset and any filters."""

import csv
import io
import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import duckdb
import psycopg
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics_exports.artifacts import LocalArtifactStore
from analytics_exports.catalogue import DbtCatalogue
from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.dataset import Column, Dataset, Relation
from analytics_exports.domain.formats import Format
from analytics_exports.domain.selection import EnumChoice, NumericRange, Selection, check_selection
from analytics_exports.ports import Warehouse
from analytics_exports.warehouse import DuckDBWarehouse
from analytics_exports.warehouse.postgres import PostgresWarehouse
from analytics_exports_tests import postgres_tables
from analytics_exports_tests.demo_warehouse import built_demo
from demo import generate

OWNERS = [user.id for user in generate.USERS[2:]]
EXAMPLES = 8
FIRST_DAY, LAST_DAY = date(2023, 1, 1), date(2025, 12, 31)

Rows = list[dict[str, Any]]


class DemoReader:
    """The demo warehouse behind the real adapters."""

    def __init__(self, folder: Path, warehouse: Warehouse) -> None:
        demo = built_demo()
        self.warehouse = warehouse
        state = DbtCatalogue(demo.manifest, demo.catalog, self.warehouse.describe).state()
        self.datasets = {dataset.name: dataset for dataset in state.datasets.values()}
        self.store = LocalArtifactStore(folder / "files", max_bytes=2**30, reserve_bytes=0)
        self.store.prepare()

    def pages(self, dataset: Dataset, owner: UUID, selection: Selection, limit: int) -> Rows:
        """Every page, found by the cursor of the one before."""
        found: list[str] = []
        cursor = None
        while True:
            page = self.warehouse.page(dataset, OwnerScope(str(owner)), selection, limit=limit, after=cursor)
            found += page.rows
            cursor = page.next
            if cursor is None:
                return [plain(json.loads(row), page.columns) for row in found]

    def file(self, dataset: Dataset, owner: UUID, selection: Selection, format: Format) -> Rows:
        """The rows of a published file, read by somebody else's reader."""
        key = f"exports/{owner}/{uuid4()}.{format}"
        options = {"csv": {"formula_guard": False}} if format is Format.CSV else {}
        with self.warehouse.scan(dataset, OwnerScope(str(owner)), selection) as scan:
            with self.store.stage(key, 1) as staging:
                staging.write(scan, format, options, lambda *_: None, columns=scan.columns)
                staging.publish()
            columns = scan.columns
        found = self.store.open(key)
        assert found is not None
        with found.content as file:
            rows = from_csv(file.read()) if format is Format.CSV else pq.read_table(file).to_pylist()
        return [plain(row, columns) for row in rows]


def parquet_copy(file: Path, folder: Path) -> Path:
    """A folder of Parquet files with the tables of a DuckDB file; where there is an account, a partition for each."""
    with duckdb.connect(str(file), read_only=True) as connection:
        listed = "SELECT schema_name, table_name, sql LIKE '%account_id %' FROM duckdb_tables()"
        for schema, name, by_account in connection.execute(listed).fetchall():
            target = folder / schema / name
            target.mkdir(parents=True)
            options = "FORMAT parquet, PARTITION_BY (account_id)" if by_account else "FORMAT parquet, PER_THREAD_OUTPUT"
            connection.execute(f"COPY {schema}.{name} TO '{target}' ({options}, OVERWRITE_OR_IGNORE)")
    return folder


def postgres_copy(file: Path, url: str) -> None:
    """The tables of a DuckDB file in PostgreSQL, with some of the rows of the owners who are asked about."""
    described = DuckDBWarehouse(file, memory_limit="256MB", threads=2, seconds=60, spill_root=file.with_name("spill"))
    with psycopg.connect(url, autocommit=True) as target, duckdb.connect(str(file), read_only=True) as source:
        target.execute("DROP SCHEMA IF EXISTS main CASCADE")
        listed = "SELECT schema_name, table_name FROM duckdb_tables()"
        for schema, name in source.execute(listed).fetchall():
            relation = Relation("analytics", schema, name)
            columns = described.describe(relation)
            assert columns
            postgres_tables.create(target, relation, columns)
            some = f"FROM {schema}.{name} WHERE user_id = ANY($owners) USING SAMPLE 10% (bernoulli, 1)"
            postgres_tables.fill(target, relation, source.execute(some, {"owners": OWNERS}).fetchall())


@pytest.fixture(scope="module", params=["duckdb", "parquet", "postgres"])
def reader(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DemoReader:
    folder, file = tmp_path_factory.mktemp("equality"), built_demo().warehouse
    if request.param == "postgres":
        url = request.getfixturevalue("analytics_url")
        postgres_copy(file, url)
        return DemoReader(folder, PostgresWarehouse(url, memory_limit="256MB", seconds=60))
    path = file if request.param == "duckdb" else parquet_copy(file, folder / "warehouse")
    spill = folder / "spill"
    return DemoReader(folder, DuckDBWarehouse(path, memory_limit="256MB", threads=2, seconds=60, spill_root=spill))


@pytest.mark.parametrize(
    "name", ["dim_accounts", "dim_tags", "fct_daily_spending_by_tag", "fct_monthly_trends", "fct_transactions"]
)
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_pages_and_files_are_the_same_rows_in_the_same_order(
    reader: DemoReader, name: str, data: st.DataObject
) -> None:
    dataset = reader.datasets[name]
    owner = data.draw(st.sampled_from(OWNERS))
    selection = check_selection(data.draw(selections(dataset, owner)), dataset)
    with reader.warehouse.keep_alive():  # opening takes longer than reading
        exported = reader.file(dataset, owner, selection, Format.PARQUET)
        limit = data.draw(st.integers(max(1, len(exported) // 5), 10_000))

        assert reader.pages(dataset, owner, selection, limit) == exported
        assert reader.file(dataset, owner, selection, Format.CSV) == exported


@st.composite
def selections(draw: st.DrawFn, dataset: Dataset, owner: UUID) -> Selection:
    """Filters that the dataset offers, narrow enough to be quick, and some of its columns in any order."""
    offers = dataset.filters
    start = draw(st.dates(FIRST_DAY, LAST_DAY)) if offers.date_column else None
    end = start and start + timedelta(days=draw(st.integers(0, 200)))
    accounts = [str(account["id"]) for account in generate.accounts() if account["user_id"] == owner]
    tags = [str(tag["id"]) for tag in generate.tags() if tag["user_id"] == owner]
    names = [column.name for column in dataset.columns]
    return Selection(
        start_date=start,
        end_date=end,
        account_ids=draw(some(accounts)) if offers.account_id_column else None,
        tag_ids=draw(some(tags)) if offers.tag_id_column else None,
        enum_filters=tuple(
            EnumChoice(item.name, values)
            for item in offers.enum_filters
            if (values := draw(some(list(item.options)))) is not None
        ),
        numeric_filters=tuple(
            NumericRange(item.name, draw(st.decimals(-500, 0, places=2)), None)
            for item in offers.numeric_filters
            if draw(st.booleans())
        ),
        columns=draw(st.none() | st.lists(st.sampled_from(names), min_size=1, unique=True).map(tuple)),
    )


def some(values: list[str]) -> st.SearchStrategy[tuple[str, ...] | None]:
    chosen = st.lists(st.sampled_from(values), min_size=1, unique=True).map(tuple) if values else st.nothing()
    return st.none() | chosen


def from_csv(content: bytes) -> Iterator[dict[str, Any]]:
    """NULL is an unquoted empty cell, which Python's reader does not tell from an empty text: both are None here."""
    names, *rows = csv.reader(io.StringIO(content.decode("utf-8"), newline=""))
    for row in rows:  # the reader gives no cells for an empty line, which is a NULL in an only column
        yield {name: cell or None for name, cell in zip(names, row or [""], strict=True)}


def plain(row: dict[str, Any], columns: tuple[Column, ...]) -> dict[str, Any]:
    """Cells as Python values, whatever they were written as."""
    assert list(row) == [column.name for column in columns]
    return {column.name: value(row[column.name], column.type) for column in columns}


def value(cell: Any, type_name: str) -> Any:
    if cell is None or cell == "":
        return None
    if type_name.endswith("[]"):
        return json.loads(cell) if isinstance(cell, str) else [str(item) for item in cell]
    reader: Callable[[str], Any] = READERS.get(type_name.partition("(")[0], str)
    return reader(cell.isoformat() if isinstance(cell, date | datetime) else str(cell))


READERS: dict[str, Callable[[str], Any]] = {
    "BIGINT": int,
    "DATE": date.fromisoformat,
    "DECIMAL": Decimal,
    "TIMESTAMP WITH TIME ZONE": datetime.fromisoformat,
}
