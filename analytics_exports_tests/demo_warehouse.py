"""The demonstration warehouse, really built, once for all tests that only read it.

It is kept below the state folder under a hash of everything that goes into it, so test processes and later runs share
one build. Whoever changes files works on a copy.
"""

import fcntl
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

from analytics_exports.development.demo import DEMO, STAMP, project_version
from analytics_exports.warehouse.build import build_warehouse
from demo import generate

REPOSITORY = Path(__file__).parents[1]
_PACKAGES = ("dbt-core", "dbt-duckdb", "duckdb", "pyarrow")


@dataclass(frozen=True, slots=True)
class DemoFiles:
    """Where the built files are; ``sources`` is the folder of Parquet files."""

    warehouse: Path
    manifest: Path
    catalog: Path
    sources: Path


def built_demo(root: Path = REPOSITORY) -> DemoFiles:
    """The demonstration warehouse of the repository at ``root``, built now unless it was before. Only for reading."""
    folder = root / ".state" / "test-cache" / _key(root)
    files = DemoFiles(
        warehouse=folder / "analytics.duckdb",
        manifest=folder / "manifest.json",
        catalog=folder / "catalog.json",
        sources=folder / "sources",
    )
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not files.manifest.exists():  # published last
            generate.write(files.sources)
            build_warehouse(root / "demo", files.warehouse, files.manifest, logs=folder, sources=files.sources)
    return files


def place_demo(folder: Path) -> None:
    """Copy it to where the demonstration has its own, as if that had been built by an earlier start."""
    built = built_demo()
    shutil.copytree(built.sources, folder / "sources")
    for file in (built.warehouse, built.manifest, built.catalog):
        shutil.copy(file, folder)
    (folder / STAMP).write_text(project_version(DEMO), encoding="ascii")


def _key(root: Path) -> str:
    """A name that changes with every file and package the build depends on."""
    digest = sha256("".join(f"{name}={version(name)};" for name in _PACKAGES).encode())
    for file in sorted(_inputs(root)):
        digest.update(f"{file.relative_to(root)}:{sha256(file.read_bytes()).hexdigest()};".encode())
    return digest.hexdigest()[:16]


def _inputs(root: Path) -> Iterator[Path]:
    yield from (root / "analytics_exports" / "warehouse" / name for name in ("build.py", "run_dbt.py"))
    for pattern in ("*.py", "*.yml", "models/**/*.sql", "models/**/*.yml"):
        yield from (root / "demo").glob(pattern)
