"""What must hold for every example. Each function raises AssertionError when it does not.

They take the compiler to be judged: the real one, or a mutant of it.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from uuid import UUID

from analytics_exports.domain.errors import IsolationViolation
from analytics_exports.domain.selection import check_selection
from analytics_exports.warehouse import DuckDBWarehouse
from analytics_exports.warehouse.checked_queries import CheckedQueries
from analytics_exports.warehouse.compiler import Compiler
from analytics_exports.warehouse.paging import Position
from analytics_exports.warehouse.ranges import BLOCK_ROWS, Extent, ranges
from analytics_exports.warehouse.scan import check_owner
from analytics_exports_tests.isolation.engine import Engine, compiler, write_file
from analytics_exports_tests.isolation.generated_data import Example, Row
from analytics_exports_tests.isolation.oracle import expected, owns
from analytics_exports_tests.rows import collected


def rows_are_exact(engine: Engine, example: Example, judged: Compiler) -> None:
    """All of the caller's rows that were asked for, in order, unchanged, and nothing else."""
    names = [column.name for column in judged.columns]
    found: list[Row] = [dict(zip(names, row, strict=False)) for row in engine.run(judged.rows())]
    wanted: list[Row] = [{name: row[name] for name in names} for row in _expected(example)]
    assert _plain(_in_order(example, found)) == _plain(_in_order(example, wanted))
    assert not _secrets_of_others(example, str(found))


def count_is_exact(engine: Engine, example: Example, judged: Compiler) -> None:
    """The count is that of the caller's rows."""
    assert sum(number for _, number in engine.run(judged.count())) == len(_expected(example))


def pages_are_the_rows(engine: Engine, example: Example, judged: Compiler) -> None:
    """Pages of any size put end to end are the rows in their order, whether by cursor or by offset."""
    names = [column.name for column in judged.columns]
    wanted = [row[names.index("id")] for row in engine.run(compiler(example).rows())]
    answers = CheckedQueries(engine.session, judged, example.scope)
    assert _ids(answers.page(len(wanted) + 1, 0, None)[0]) == wanted
    assert _ids(answers.page(2, 1, None)[0]) == wanted[1:3]
    found: list[str] = []
    position: Position | None = None
    while True:
        rows, position = answers.page(2, 0, position)
        found += rows
        if position is None:
            break
        assert len(rows) == 2
        assert len(found) < len(wanted)
    assert _ids(found) == wanted
    assert not _secrets_of_others(example, str(found))


def ranges_are_the_rows(engine: Engine, example: Example, judged: Compiler) -> None:
    """Ranges of the first key, one for each of its values, put end to end are the rows in their order."""
    wanted = engine.run(judged.rows())
    keys = [row[1 + len(judged.columns)] for row in engine.run(judged.page(len(wanted) + 1, 0, None))]
    extents = [Extent(number, BLOCK_ROWS, low, keys.count(None), follows=True) for number, low in enumerate(keys)]
    parts = [engine.run(judged.rows_within(part)) for part in ranges(extents)]
    assert not parts or [str(row) for part in parts for row in part] == [str(row) for row in wanted]


def guard_stops_leaks(engine: Engine, example: Example, judged: Compiler) -> bool:
    """Whatever SQL was run, no row of another owner passes the guard. Returns whether the guard had to stop it."""
    try:
        passed = check_owner(engine.frame(judged.rows()), example.scope)
    except IsolationViolation:
        return True
    assert not _secrets_of_others(example, str(passed.to_dicts()))
    return False


def nothing_shows(engine: Engine, example: Example, twin: Example) -> None:
    """Whatever others have in their rows, a caller sees the same: rows, count, cursors and size, byte for byte."""
    assert _seen(engine, example) == _seen(engine, twin)


def adapter_agrees(folder: Path, example: Example, twin: Example) -> None:
    """The same through the whole adapter: a file, connections of its own, and the reading thread."""
    path = folder / "warehouse.duckdb"
    warehouse = DuckDBWarehouse(path, memory_limit="100MB", threads=2, seconds=60, spill_root=folder / "spill")
    write_file(path, example)
    seen = _seen_through(warehouse, example)
    assert seen[0] == len(_expected(example))
    write_file(path, twin)
    assert _seen_through(warehouse, twin) == seen


def _seen(engine: Engine, example: Example) -> tuple[object, ...]:
    """Everything that a caller can see of an example."""
    engine.load(example)
    real = compiler(example)
    answers = CheckedQueries(engine.session, real, example.scope)
    frame = check_owner(engine.frame(real.rows()), example.scope)
    return frame.write_ndjson(), answers.count(), answers.page(2, 1, None), answers.estimate()


def _seen_through(warehouse: DuckDBWarehouse, example: Example) -> tuple[object, ...]:
    request = (example.dataset, example.scope, check_selection(example.selection, example.dataset))
    with warehouse.scan(*request) as scan:
        frame = collected(scan)
        scan.verify()
    first = warehouse.page(*request, limit=2)
    more = warehouse.page(*request, limit=100, after=first.next).rows if first.next else ()
    assert len(first.rows) + len(more) == frame.height
    pages = (first.columns, first.rows, first.next, more)
    return frame.height, frame.write_ndjson(), warehouse.count(*request), warehouse.estimate(*request), pages


def _expected(example: Example) -> list[Row]:
    return expected(example.dataset, example.rows, example.scope, example.selection)


def _in_order(example: Example, rows: list[Row]) -> list[Row]:
    """Rows whose order is to be compared, if the dataset has one that the oracle knows."""
    return rows if example.variant.unique_key else sorted(rows, key=lambda row: str(row["id"]))


def _secrets_of_others(example: Example, output: str) -> list[object]:
    others = [row for row in example.rows if not owns(example.scope, row[example.dataset.owner_column])]
    return [row["secret"] for row in others if str(row["secret"]) in output]


def _ids(rows: list[str]) -> list[object]:
    return [json.loads(row)["id"] for row in rows]


def _plain(value: object) -> object:
    """A value that equals another exactly when both are the same cell: NaN equals itself, a UUID its text."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, UUID) or (isinstance(value, float) and math.isnan(value)):
        return str(value)
    return value
