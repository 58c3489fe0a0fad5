"""Memory does not grow with the file: many rows under a hard limit on the address space.

Ten million take minutes, so the suite writes some of them and ``make test-large`` all.
"""

import os
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from analytics_exports.artifacts import LocalArtifactStore
from analytics_exports.domain.formats import Format

ROWS = 10_000_000 if "EXPORTS_LARGE_TESTS" in os.environ else 600_000
LIMIT_MB = 512 if ROWS > 600_000 else 256
SPACE_BYTES = 6 * 2**30
"""Of addresses, most of which allocators only reserve; the bound on what is used is LIMIT_MB."""

# The peak of getrusage would begin with that of this process. It ends as run workers do: a thread of Arrow may still be
# letting go of the file that was counted, and aborts an interpreter that is being finalised.
CHILD = f"""
import os, pathlib, re, resource, sys
import polars as pl
from analytics_exports.artifacts import LocalArtifactStore
from analytics_exports.domain.formats import Format
from analytics_exports_tests.rows import GeneratedRows

SCHEMA = pl.Schema({{"number": pl.Int64, "text": pl.String, "amount": pl.Decimal(18, 2), "day": pl.Date}})

def generate():
    for start in range(0, {ROWS}, 20_480):
        number = pl.int_range(start, min(start + 20_480, {ROWS}), eager=True).alias("number")
        yield number.to_frame().with_columns(
            text=number.hash().cast(pl.String) + " some words",
            amount=(number % 100_000).cast(pl.Decimal(18, 2)) / 1,
            day=(number % 10_000).cast(pl.Int32).cast(pl.Date),
        ).cast(SCHEMA)

resource.setrlimit(resource.RLIMIT_AS, ({SPACE_BYTES}, {SPACE_BYTES}))
store = LocalArtifactStore(sys.argv[1], max_bytes=2**40, reserve_bytes=0)
with store.stage(sys.argv[2], 1) as staging:
    written = staging.write(GeneratedRows(SCHEMA, generate), Format(sys.argv[3]), {{}}, lambda rows, size: None)
status = pathlib.Path("/proc/self/status").read_text()
print(written.row_count, int(re.search(r"VmHWM:\\s*(\\d+)", status)[1]) // 1024, flush=True)
os._exit(0)
"""


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("format", Format)
def test_many_rows_fit_into_little_memory(format: Format, tmp_path: Path) -> None:
    LocalArtifactStore(tmp_path, max_bytes=2**40, reserve_bytes=0).prepare()
    key = f"exports/{UUID(int=1)}/{UUID(int=2)}.{format}"
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), key, format.value], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    rows, peak_mb = map(int, done.stdout.split())
    assert rows == ROWS
    assert peak_mb <= LIMIT_MB
