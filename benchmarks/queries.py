"""What the API reads while its caller waits: a page, a preview and an estimate, beside plain DuckDB.

A page has 10,000 rows, encoded as JSON as for an answer; the other arm fetches the same rows as Python objects over a
connection that is open already. A preview has 20 rows. An estimate counts and samples; an export of the same rows comes
beside it, which it must never exceed.
"""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.selection import Selection
from analytics_exports.settings import Settings
from benchmarks import write
from benchmarks.figures import OURS, print_times

PLAIN = "plain_duckdb"
PAGE_ROWS, PREVIEW_ROWS = 10_000, 20


def timed(call: Callable[[], object], repeat: int) -> list[float]:
    """Seconds of each call, after one that is not counted."""
    seconds = []
    for _ in range(repeat + 1):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return seconds[1:]


def measure_queries(rows: int, repeat: int) -> None:
    """Print the figures for a table with so many rows of one owner."""
    memory = cast("str", Settings.model_fields["query_memory"].default)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "warehouse.duckdb")
        write.make_warehouse(path, rows)
        warehouse, dataset = write.source_and_dataset(path, memory)
        scope, everything = OwnerScope(write.OWNER), Selection()
        with write.reader(path, memory) as plain:
            for name, limit in (("page_10000", PAGE_ROWS), ("preview", PREVIEW_ROWS)):
                statement = f"{write.QUERY} LIMIT {limit}"
                ours = timed(lambda limit=limit: warehouse.page(dataset, scope, everything, limit=limit), repeat)  # type: ignore[misc]
                theirs = timed(lambda statement=statement: plain.sql(statement).fetchall(), repeat)  # type: ignore[misc]
                print_times(f"{name}_s", OURS, ours)
                print_times(f"{name}_s", PLAIN, theirs)
        print_times("estimate_s", OURS, timed(lambda: warehouse.estimate(dataset, scope, everything), repeat))
        export = write.ours(path, Path(folder, "out"), "csv", memory, repeat=3)
        print_times("export_of_the_same_rows_s", OURS, export)
