"""The real compiler's queries on the real DuckDB, on one small table after the other.

A table here is a fresh one in a database in memory, under the name that the dataset gives it. What this leaves out of
the service - the file, its connection, the reading thread - is run on some of the examples through the whole adapter.
"""

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import duckdb
import polars as pl
import psycopg
import pyarrow as pa

from analytics_exports.warehouse.compiler import Compiler, Query
from analytics_exports.warehouse.duckdb_session import DuckDBSession
from analytics_exports.warehouse.postgres import PostgresWarehouse
from analytics_exports.warehouse.session import Session
from analytics_exports.warehouse.sources import FileSource, FolderSource
from analytics_exports_tests import postgres_tables
from analytics_exports_tests.isolation.generated_data import VARIANTS, Example, Row, Variant

HERE = Path(__file__)
_ARROW = {
    "VARCHAR": pa.string(),
    "UUID": pa.string(),
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "SMALLINT": pa.int16(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "TIMESTAMP WITH TIME ZONE": pa.timestamp("us", "UTC"),
    "DECIMAL(6,2)": pa.decimal128(6, 2),
    "DOUBLE": pa.float64(),
}


class Engine:
    """DuckDB with one empty table for each variant."""

    def __init__(self) -> None:
        self.thread = ThreadPoolExecutor(1)
        self.connection = duckdb.connect(":memory:", config={"threads": "1"})
        self.connection.execute("SET GLOBAL TimeZone = 'UTC'")
        self.connection.execute("ATTACH ':memory:' AS analytics")
        for variant in VARIANTS:
            create(self.connection, variant)

    def load(self, example: Example) -> None:
        """Make the table of the example's variant hold the example's rows, and nothing else."""
        fill(self.connection, example.variant, example.rows)

    @property
    def session(self) -> Session:
        """The connection as the service wraps it; the version of the file plays no part here."""
        return DuckDBSession(self.connection, FileSource(HERE).version(), thread=self.thread)

    def run(self, query: Query) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.session.fetch(query)

    def frame(self, query: Query) -> pl.DataFrame:
        """The same, as the service reads rows."""
        return pl.DataFrame(self.session.reader(query, 3).read_all())


class ParquetEngine(Engine):
    """The same tables as views of Parquet files, in Hive partitions by columns of text: status, and owner if it is."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self.root = root
        self.connection.execute("ATTACH ':memory:' AS nothing")

    def load(self, example: Example) -> None:
        """Write the example's rows, and read them from there."""
        self.connection.execute("USE nothing; DETACH analytics; ATTACH ':memory:' AS analytics")
        create(self.connection, example.variant)
        fill(self.connection, example.variant, example.rows)
        write_folder(self.root, self.connection, example.variant)
        self.connection.execute("DETACH analytics")
        FolderSource(self.root).attach(self.connection, example.dataset.relation)


class PostgresEngine(Engine):
    """The same tables in PostgreSQL; the embedded one has no collations that compare loosely."""

    def __init__(self, url: str) -> None:
        self._writer = psycopg.connect(url, autocommit=True)
        self._warehouse = PostgresWarehouse(url, memory_limit="100MB", seconds=60)
        self._opened = ExitStack()
        self._session: Session | None = None
        self._writer.execute("DROP SCHEMA IF EXISTS main CASCADE")
        for variant in VARIANTS:
            postgres_tables.create(self._writer, variant.dataset.relation, variant.dataset.columns)

    def load(self, example: Example) -> None:
        """Write the example's rows, and begin a snapshot that sees them."""
        self._opened.close()
        relation, names = example.dataset.relation, [column.name for column in example.dataset.columns]
        postgres_tables.fill(self._writer, relation, [[row[name] for name in names] for row in example.rows])
        self._session = self._opened.enter_context(self._warehouse._connect(relation))
        self._session.columns(relation)

    @property
    def session(self) -> Session:
        """The snapshot of the example that was loaded last."""
        assert self._session
        return self._session

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()
        self._writer.close()


def write_folder(root: Path, connection: duckdb.DuckDBPyConnection, variant: Variant) -> None:
    """Make a folder of Parquet files that hold what the connection's table of a variant holds."""
    shutil.rmtree(root / "main", ignore_errors=True)
    by = ["status", *(["user_id"] if variant.owner == "VARCHAR" else [])]
    target = root / "main" / variant.name
    nobody = target.joinpath(*(f"{name}=__HIVE_DEFAULT_PARTITION__" for name in by))
    nobody.mkdir(parents=True)
    partitions = ", ".join(by)
    table = f"analytics.main.{variant.name}"
    connection.execute(f"COPY (SELECT * EXCLUDE ({partitions}) FROM {table} LIMIT 0) TO '{nobody}/empty.parquet'")
    connection.execute(f"COPY {table} TO '{target}' (FORMAT parquet, PARTITION_BY ({partitions}), OVERWRITE_OR_IGNORE)")


def write_file(path: Path, example: Example) -> None:
    """Make a warehouse file that holds the example's table, as one that is built beside and renamed."""
    fresh = path.with_suffix(".fresh")
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"ATTACH '{fresh}' AS analytics")
        create(connection, example.variant)
        fill(connection, example.variant, example.rows)
    fresh.replace(path)


def compiler(example: Example) -> Compiler:
    """The real compiler for an example."""
    return Compiler(example.dataset, example.scope, example.selection)


def create(connection: duckdb.DuckDBPyConnection, variant: Variant) -> None:
    """Make the empty table of a variant."""
    collate = {"user_id": f" COLLATE {variant.collation}" if variant.collation else ""}
    columns = ", ".join(f"{item.name} {item.type}{collate.get(item.name, '')}" for item in variant.dataset.columns)
    connection.execute(f"CREATE TABLE analytics.main.{variant.name} ({columns})")


def fill(connection: duckdb.DuckDBPyConnection, variant: Variant, rows: Sequence[Row]) -> None:
    """Replace what the table of a variant holds."""
    connection.execute(f"TRUNCATE analytics.main.{variant.name}")
    cells = {item.name: _column(item.type, [row[item.name] for row in rows]) for item in variant.dataset.columns}
    connection.register("fresh", pa.table(cells))
    connection.execute(f"INSERT INTO analytics.main.{variant.name} FROM fresh")
    connection.unregister("fresh")


def _column(kind: str, cells: list[Any]) -> pa.Array:
    inner = kind.removesuffix("[]")
    if inner == "UUID":
        cells = [[_text(item) for item in cell] if isinstance(cell, list) else _text(cell) for cell in cells]
    return pa.array(cells, pa.list_(_ARROW[inner]) if kind.endswith("[]") else _ARROW[inner])


def _text(value: object) -> str | None:
    return None if value is None else str(value)
