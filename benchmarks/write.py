"""How fast and in how much memory files are written: ours, DuckDB's COPY, eager Polars, pandas and csv.DictWriter.

    python benchmarks/write.py [--rows 1000000,10000000] [--formats csv,parquet] [--repeat 3] [--arms ours,copy]

Each arm is a fresh process that exports the same ordered rows of one owner from the same DuckDB file. Wall and CPU time
begin after the imports, which a run worker has done before its first run too; peak memory is that of the whole process.
``ours`` is the real scan, the real writers and the real store, with SHA-256, fsync and reading back, which the others
do without, and with the service's default limit for DuckDB's memory; the others have more, because COPY cannot sort a
million rows in so little. Figures go to stdout as JSON lines, everything else to stderr.
"""
# ruff: noqa: PLC0415 - a child loads only what it measures

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import UUID

from analytics_exports.settings import Settings

OWNER = "11111111-1111-4111-8111-111111111111"
KEY = f"exports/{OWNER}/{UUID(int=1)}"
SMALL_ROWS, SMALL_REPEAT = 2_000, 30
MILLION = 1_000_000

TABLE = """
CREATE TABLE fct_transactions AS
SELECT md5('t' || i)::UUID::VARCHAR AS transaction_id,
  CASE WHEN i % 11 = 10 THEN '22222222-2222-4222-8222-222222222222' ELSE '{owner}' END AS user_id,
  md5('a' || i % 12)::UUID::VARCHAR AS account_id,
  DATE '2015-01-01' + CAST(i * 4000 // {rows} AS INTEGER) AS booking_date,
  TIMESTAMP '2015-01-01' + to_days(CAST(i * 4000 // {rows} AS INTEGER))
    + to_microseconds(i * 7919 % 86400000000) AS created_at,
  (hash(i)::UBIGINT % 2000000)::DECIMAL(18, 2) - 1000000 AS amount,
  ['EUR', 'USD', 'GBP', 'CHF'][1 + i % 4] AS currency,
  hash(i + 2) % 1000000 / 1000.0 AS exchange_rate,
  ['booked', 'pending', 'reversed'][1 + i % 17 // 8] AS status,
  CASE WHEN i % 10 > 0 THEN 'Merchant no. ' || hash(i + 3) % 50000 END AS merchant,
  CASE WHEN i % 20 = 0 THEN 'He said "hi", then left' WHEN i % 7 = 0 THEN '' ELSE 'Reference ' || hash(i + 4) END
    AS note,
  i % 2 = 0 AS is_internal,
  (i % 365)::INTEGER AS day_number,
  (hash(i + 6) % 1000000000000)::BIGINT AS external_id,
  'DE' || lpad((hash(i + 7) % 100000000000000)::VARCHAR, 20, '0') AS iban
FROM range({rows} * 11 // 10) t(i) ORDER BY user_id, booking_date, transaction_id
"""
QUERY = f"SELECT * FROM w.fct_transactions WHERE user_id = '{OWNER}' ORDER BY booking_date, transaction_id"


def make_warehouse(path: Path, rows: int) -> None:
    """A table with so many rows of one owner, and a tenth of that of another."""
    import duckdb

    with duckdb.connect(str(path)) as connection:
        connection.execute(TABLE.format(rows=rows, owner=OWNER))


def reader(warehouse: Path, memory: str) -> Any:  # noqa: ANN401 - DuckDB is loaded only in children
    """A connection with the limits of all arms but ours."""
    import duckdb

    connection = duckdb.connect(config={"memory_limit": memory, "threads": 2, "temp_directory": f"{warehouse}.spill"})
    connection.execute(f"ATTACH '{warehouse}' AS w (READ_ONLY)")
    return connection


def source_and_dataset(warehouse: Path, memory: str) -> tuple[Any, Any]:
    """The real warehouse adapter, and the dataset in it."""
    from analytics_exports.domain.dataset import Dataset, FilterSet, Relation, dataset_id
    from analytics_exports.warehouse.adapter import DuckDBWarehouse

    relation = Relation("analytics", "main", "fct_transactions")
    source = DuckDBWarehouse(
        warehouse, memory_limit=memory, threads=2, seconds=3600, spill_root=warehouse.with_suffix(".ours")
    )
    dataset = Dataset(
        id=dataset_id("fct_transactions"),
        name="fct_transactions",
        friendly_name="Transactions",
        description="",
        group="facts",
        time_grain="day",
        relation=relation,
        owner_column="user_id",
        columns=tuple(source.describe(relation) or ()),
        filters=FilterSet(date_column="booking_date"),
        unique_key=("transaction_id",),
    )
    return source, dataset


def ours(warehouse: Path, target: Path, format: str, memory: str, repeat: int = 1) -> list[float]:
    """Through the real scan, writers and store; seconds of each repetition."""
    from analytics_exports.artifacts import LocalArtifactStore
    from analytics_exports.domain.access import OwnerScope
    from analytics_exports.domain.dataset import Column
    from analytics_exports.domain.formats import Format
    from analytics_exports.domain.selection import Selection

    source, dataset = source_and_dataset(warehouse, memory)
    store = LocalArtifactStore(target, max_bytes=2**40, reserve_bytes=0)
    store.prepare()
    seconds = []
    for _ in range(repeat):
        begin = time.perf_counter()
        with (
            source.scan(dataset, OwnerScope(OWNER), Selection()) as scan,
            store.stage(f"{KEY}.{format}", 1) as staging,
        ):
            columns: Sequence[Column] = scan.columns
            staging.write(scan, Format(format), {}, lambda _rows, _size: None, columns=columns)
            staging.publish()
        seconds.append(time.perf_counter() - begin)
    return seconds


def copy(warehouse: Path, target: Path, format: str, memory: str) -> None:
    """DuckDB's own COPY."""
    how = "FORMAT parquet, COMPRESSION zstd" if format == "parquet" else "FORMAT csv, HEADER"
    reader(warehouse, memory).execute(f"COPY ({QUERY}) TO '{target}.{format}' ({how})")


def polars(warehouse: Path, target: Path, format: str, memory: str) -> None:
    """A whole Polars frame."""
    frame = reader(warehouse, memory).sql(QUERY).pl()
    {"csv": frame.write_csv, "parquet": frame.write_parquet, "ndjson": frame.write_ndjson}[format](f"{target}.{format}")


def pandas(warehouse: Path, target: Path, format: str, memory: str) -> None:
    """A whole pandas frame."""
    frame = reader(warehouse, memory).sql(QUERY).df()
    {"csv": frame.to_csv, "parquet": frame.to_parquet, "xlsx": frame.to_excel}[format](f"{target}.{format}")


def dictwriter(warehouse: Path, target: Path, _format: str, memory: str) -> None:
    """All rows as dictionaries, then csv.DictWriter."""
    import csv

    result = reader(warehouse, memory).sql(QUERY)
    rows = [dict(zip(result.columns, row, strict=True)) for row in result.fetchall()]
    with Path(f"{target}.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(result.columns))
        writer.writeheader()
        writer.writerows(rows)


ARMS: dict[str, Callable[[Path, Path, str, str], object]] = {
    "ours": ours,
    "copy": copy,
    "polars": polars,
    "pandas": pandas,
    "dictwriter": dictwriter,
}
CAN = {"copy": {"csv", "parquet"}, "polars": {"csv", "parquet"}, "pandas": {"csv", "parquet"}, "dictwriter": {"csv"}}
BOUNDED = {"ours", "copy"}
"""Arms that do not hold all rows in memory."""

MODULES = {
    "ours": [
        "analytics_exports.artifacts.writing",
        *(f"analytics_exports.artifacts.writers.{name}" for name in ("delimited", "parquet", "spreadsheet")),
        "analytics_exports.warehouse.adapter",
    ],
    "polars": ["duckdb", "polars", "pyarrow"],
    "pandas": ["duckdb", "pandas", "pyarrow"],
}
"""What is imported before the measurement; DuckDB where nothing is said."""


def child(*arguments: str, output: int | None = None) -> subprocess.Popen[str]:
    """This script in a fresh process. The parent stays small: a child's peak memory begins with it."""
    environment = {**os.environ, "MALLOC_ARENA_MAX": "2", "PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, __file__, "--child", *arguments]
    return subprocess.Popen(command, env=environment, stdout=output or sys.stderr, text=True)


def measured(arm: str, warehouse: Path, kind: str, options: argparse.Namespace) -> dict[str, float]:
    """Wall, CPU and peak memory of one arm in a fresh process."""
    memory = options.export_memory if arm == "ours" else options.memory
    with tempfile.TemporaryDirectory(dir=warehouse.parent) as folder:
        process = child(arm, str(warehouse), f"{folder}/out", kind, memory, output=subprocess.PIPE)
        found, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"{arm} failed")
    figures: dict[str, float] = json.loads(found)
    return figures


def measure(arm: str, warehouse: Path, target: Path, kind: str, memory: str) -> dict[str, float]:
    """Wall, CPU and peak memory of one arm in this process."""
    for module in MODULES.get(arm, ["duckdb"]):
        import_module(module)
    cpu, begin = time.process_time(), time.perf_counter()
    ARMS[arm](warehouse, target, kind, memory)
    wall, cpu = time.perf_counter() - begin, time.process_time() - cpu
    return {"wall": wall, "cpu": cpu, "rss": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def print_figure(figure: str, arm: str, value: float, unit: str, n: int) -> None:
    """One figure: the median of ``n``."""
    line = {"figure": figure, "arm": arm, "stat": "median", "value": round(value, 3), "unit": unit, "n": n}
    print(json.dumps(line), flush=True)


def compare(warehouse: Path, kind: str, rows: int, options: argparse.Namespace) -> None:
    """All arms on one format, in turn, so that what else the machine does hits all alike."""
    arms = [arm for arm in options.arms if kind in CAN.get(arm, {kind}) and (rows <= MILLION or arm in BOUNDED)]
    runs: dict[str, list[dict[str, float]]] = {arm: [] for arm in arms}
    for _ in range(options.repeat):
        for arm in arms:
            runs[arm].append(measured(arm, warehouse, kind, options))
            print(kind, rows, arm, runs[arm][-1], file=sys.stderr)
    size = f"{rows // MILLION}m" if rows >= MILLION else str(rows)
    middle = {arm: {key: statistics.median(run[key] for run in of) for key in of[0]} for arm, of in runs.items()}
    for arm, found in middle.items():
        for key, unit in (("wall", "s"), ("cpu", "s"), ("rss", "mb")):
            print_figure(f"{kind}_{size}_{key}_{unit}", arm, found[key], unit, options.repeat)
        for key in ("wall", "cpu") if "copy" in middle else ():
            print_figure(f"{kind}_{size}_{key}_vs_copy", arm, found[key] / middle["copy"][key], "ratio", options.repeat)
    if kind == "xlsx":
        print_figure("xlsx_rows_per_s", "ours", rows / middle["ours"]["wall"], "rows/s", options.repeat)


def small(folder: Path, memory: str) -> None:
    """Milliseconds of a small export in a warm process, by format, as JSON."""
    warehouse = folder / "small.duckdb"
    make_warehouse(warehouse, SMALL_ROWS)
    found = {
        kind: 1000 * statistics.median(ours(warehouse, folder / "small", kind, memory, SMALL_REPEAT)[3:])
        for kind in ("csv", "parquet", "ndjson", "arrow", "xlsx")
    }
    print(json.dumps(found))


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", type=lambda text: [int(rows) for rows in text.split(",")], default=[MILLION, 10 * MILLION]
    )
    parser.add_argument("--formats", type=lambda text: text.split(","), default=["csv", "parquet", "xlsx"])
    parser.add_argument("--arms", type=lambda text: text.split(","), default=list(ARMS))
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--memory", default="512MB", help="DuckDB's memory limit in the other arms")
    parser.add_argument("--export-memory", default=Settings.model_fields["export_memory"].default, help="in ours")
    options = parser.parse_args()
    if "pandas" in options.arms and find_spec("pandas") is None:
        print("pandas is not installed: its arm is left out", file=sys.stderr)
        options.arms.remove("pandas")
    with tempfile.TemporaryDirectory() as folder:
        warm, _ = child("small", folder, options.export_memory, output=subprocess.PIPE).communicate()
        for kind, milliseconds in json.loads(warm).items():
            print_figure(f"small_write_ms_{kind}", "ours", milliseconds, "ms", SMALL_REPEAT)
        for rows in options.rows:
            warehouse = Path(folder) / f"{rows}.duckdb"
            print(f"making {rows} rows", file=sys.stderr)
            if child("make", str(warehouse), str(rows)).wait():
                raise SystemExit("the warehouse could not be made")
            for kind in options.formats if rows <= MILLION else [kind for kind in options.formats if kind != "xlsx"]:
                compare(warehouse, kind, rows, options)
            warehouse.unlink()


def as_child(task: str, place: str, *rest: str) -> None:
    """What a fresh process is started for."""
    if task == "make":
        make_warehouse(Path(place), int(rest[0]))
    elif task == "small":
        small(Path(place), rest[0])
    else:
        target, kind, memory = rest
        if task != "pandas":  # no worker has it; where it is installed, other libraries import it for a second of CPU
            sys.modules["pandas"] = None  # type: ignore[assignment]
        print(json.dumps(measure(task, Path(place), Path(target), kind, memory)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        as_child(*sys.argv[2:])
    else:
        main()
