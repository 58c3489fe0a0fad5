"""The real compiler's queries on the real DuckDB, on one small table after the other.

A table here is a fresh one in a database in memory, under the name that the dataset gives it. What this leaves out of
the service - the file, its connection, the reading thread - is run on a sample of the worlds through the whole adapter.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa

from analytics_exports.warehouse.compiler import Compiler, Query
from analytics_exports_tests.isolation.world import VARIANTS, Row, Variant, World

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
        self.connection = duckdb.connect(":memory:", config={"threads": "1"})
        self.connection.execute("SET GLOBAL TimeZone = 'UTC'")
        self.connection.execute("ATTACH ':memory:' AS analytics")
        for variant in VARIANTS:
            create(self.connection, variant)

    def load(self, world: World) -> None:
        """Make the table of the world's variant hold the world's rows, and nothing else."""
        fill(self.connection, world.variant, world.rows)

    def run(self, query: Query) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return self.connection.execute(query.sql, dict(query.params)).fetchall()

    def frame(self, query: Query) -> pl.DataFrame:
        """The same, as the service reads rows."""
        reader = self.connection.sql(query.sql, params=dict(query.params)).to_arrow_reader(3)
        return pl.DataFrame(reader.read_all())


def write_file(path: Path, world: World) -> None:
    """Make a warehouse file that holds the world's table, as one that is built beside and renamed."""
    fresh = path.with_suffix(".fresh")
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"ATTACH '{fresh}' AS analytics")
        create(connection, world.variant)
        fill(connection, world.variant, world.rows)
    fresh.replace(path)


def compiler(world: World) -> Compiler:
    """The real compiler for a world."""
    return Compiler(world.dataset, world.scope, world.selection)


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
