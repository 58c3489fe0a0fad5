"""The versions of the warehouse that the faults switch between, and what an export of each must hold.

They differ in every amount, so that a file with rows of both is noticed.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from uuid import UUID

import duckdb
import polars as pl

TABLE = "fct_transactions"
COLUMNS = ["transaction_id", "user_id", "booking_date", "amount"]
SHIFT = 1_000_000


@dataclass(frozen=True, slots=True)
class Version:
    """One version of the warehouse: its file, and the rows of every owner, sorted."""

    file: Path
    rows: dict[UUID, pl.DataFrame]

    def expected(self, owner: UUID, start: date, end: date) -> pl.DataFrame:
        """The rows of an export, sorted."""
        return self.rows[owner].filter(pl.col("booking_date").is_between(start, end))


class Truth:
    """Two versions beside the warehouse that is served."""

    def __init__(self, warehouse: Path, folder: Path, owners: Sequence[UUID]) -> None:
        self.warehouse = warehouse
        first, second = folder / "first.duckdb", folder / "second.duckdb"
        shutil.copyfile(warehouse, first)
        shutil.copyfile(warehouse, second)
        with duckdb.connect(str(second)) as connection:
            connection.execute(f"UPDATE {TABLE} SET amount = amount + {SHIFT}")
        self.versions = tuple(
            Version(file, {owner: _rows(file, owner) for owner in owners}) for file in (first, second)
        )

    def publish(self, number: int) -> None:
        """Put a version in place as it should be done: under another name, then renamed."""
        beside = self.warehouse.with_name("next.duckdb")
        shutil.copyfile(self.versions[number].file, beside)
        beside.replace(self.warehouse)

    def overwrite(self, number: int) -> None:
        """Write a version over the other, in the file that exports are reading."""
        content = self.versions[number].file.read_bytes()
        with self.warehouse.open("r+b") as file:
            file.write(content)
            file.truncate()


def _rows(file: Path, owner: UUID) -> pl.DataFrame:
    with duckdb.connect(str(file), read_only=True) as connection:
        return _selected(connection, f"{TABLE} WHERE user_id::VARCHAR = '{owner}'")


def rows_of_file(connection: duckdb.DuckDBPyConnection, path: Path) -> pl.DataFrame:
    """The rows of a finished file, sorted."""
    texts = dict.fromkeys(COLUMNS, "VARCHAR")
    readers = {
        ".csv": f"read_csv('{path}', header = true, all_varchar = true)",
        ".ndjson": f"read_json('{path}', format = 'newline_delimited', columns = {texts})",
        ".parquet": f"read_parquet('{path}')",
    }
    return _selected(connection, readers[path.suffix])


def _selected(connection: duckdb.DuckDBPyConnection, source: str) -> pl.DataFrame:
    types = dict(zip(COLUMNS, ("VARCHAR", "VARCHAR", "DATE", "DECIMAL(18, 2)"), strict=True))
    cells = ", ".join(f"{name}::{type_} AS {name}" for name, type_ in types.items())
    return pl.DataFrame(connection.sql(f"SELECT {cells} FROM {source} ORDER BY ALL").to_arrow_table())
