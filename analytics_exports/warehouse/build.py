"""Building the warehouse with dbt beside the live file, and publishing it in one step.

Overwriting the file in place would mix two versions in an export that is being read; a rename does not: open readers
keep the file they opened. A build that fails, or is killed, changes nothing that a reader can see. Reading the
warehouse belongs to the other modules of this package, the manifest to ``catalogue``.
"""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

from analytics_exports.child_process import bound_to_this_process
from analytics_exports.ports import SOURCES_VARIABLE, BuildFailed, BuildReport
from analytics_exports.warehouse.identifiers import literal

PATH_VARIABLE = "ANALYTICS_EXPORTS_BUILD_PATH"
"""Environment variable from which the dbt profile takes the path of the DuckDB file."""

_TABLES = """
    SELECT schema_name, table_name, estimated_size FROM duckdb_tables()
    WHERE database_name = 'warehouse' ORDER BY schema_name, table_name
"""

BUILD_TIME = timedelta(hours=1)

_DONE = frozenset({"success", "pass"})


def build_warehouse(
    project: Path,
    warehouse: Path,
    manifest: Path,
    *,
    logs: Path,
    sources: Path | None = None,
    catalog: Path | None = None,
    timeout: timedelta = BUILD_TIME,
) -> BuildReport:
    """Build and test the dbt project, and publish warehouse, catalog and manifest, one build at a time.

    Args:
        project: Folder of ``dbt_project.yml``; its profile takes the DuckDB path from ``PATH_VARIABLE``.
        warehouse: The live DuckDB file. dbt names the database after it, so every build makes the same relation names.
        manifest: Path for ``manifest.json``.
        logs: Folder of ``dbt.log``, with the output of the latest build.
        sources: Folder of source files, passed to the project in ``SOURCES_VARIABLE``.
        catalog: Path for ``catalog.json``; beside the manifest by default.
        timeout: Time limit of dbt.

    Raises:
        BuildFailed: a model or a test failed, dbt could not run, or it took too long. Nothing was published.
    """
    catalog = catalog or manifest.with_name("catalog.json")
    for folder in (warehouse.parent, manifest.parent, catalog.parent, logs):
        folder.mkdir(parents=True, exist_ok=True)
    with _build_lock(warehouse), _scratch(warehouse) as scratch:
        built, target, log = scratch / warehouse.name, scratch / "target", logs / "dbt.log"
        started = time.monotonic()
        _run_dbt(project, target, _environment(built, sources), log, timeout)
        if not built.is_file() or _wal(built).exists():
            raise BuildFailed(f"dbt left no finished file at the path in {PATH_VARIABLE}.", log)
        report = _report(target, built, time.monotonic() - started)
        _wal(warehouse).unlink(missing_ok=True)  # it would be replayed into the new file
        _publish(built, warehouse)
        _publish(_copy_to_folder_of(catalog, target / "catalog.json"), catalog)
        _publish(_copy_to_folder_of(manifest, target / "manifest.json"), manifest)
    return report


def _wal(database: Path) -> Path:
    return database.with_name(f"{database.name}.wal")


@contextmanager
def _build_lock(warehouse: Path) -> Iterator[None]:
    """Wait until no other process builds this warehouse. The kernel releases the lock when the process dies."""
    with warehouse.with_name(f".{warehouse.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _scratch(warehouse: Path) -> Iterator[Path]:
    """A temporary folder on the warehouse's file system; those of killed builds are removed as well."""
    prefix = f".{warehouse.name}.build-"
    for leftover in warehouse.parent.glob(f"{prefix}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=warehouse.parent, ignore_cleanup_errors=True) as folder:
        yield Path(folder).absolute()


def _environment(built: Path, sources: Path | None) -> Mapping[str, str]:
    given = {SOURCES_VARIABLE: str(sources.absolute())} if sources else {}
    return {**os.environ, "DO_NOT_TRACK": "1", PATH_VARIABLE: str(built), **given}


def _run_dbt(project: Path, target: Path, environment: Mapping[str, str], log: Path, timeout: timedelta) -> None:
    # -P keeps the project's folder out of sys.path.
    command = [sys.executable, "-P", str(Path(__file__).with_name("run_dbt.py"))]
    flags = ["--target-path", str(target), "--log-path", str(target), "--log-level-file", "none"]
    private = ["--no-send-anonymous-usage-stats", "--no-version-check", "--no-use-colors"]
    try:
        with log.open("wb") as output:
            subprocess.run(  # noqa: S603 (no shell, and the program is our own)
                bound_to_this_process([*command, *flags, *private]),
                cwd=project,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=timeout.total_seconds(),
                check=True,
            )
    except subprocess.CalledProcessError:
        raise BuildFailed("A model or a data test failed, or dbt could not run.", log) from None
    except subprocess.TimeoutExpired:
        raise BuildFailed("dbt took too long.", log) from None


def _copy_to_folder_of(destination: Path, file: Path) -> Path:
    """A copy in the folder of ``destination``, which may be on another file system than the warehouse."""
    return shutil.copyfile(file, destination.with_name(f".{destination.name}.part"))


def _publish(finished: Path, destination: Path) -> None:
    """Rename a finished file to its final name, durably."""
    _sync(finished)
    finished.replace(destination)
    _sync(destination.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _report(target: Path, built: Path, seconds: float) -> BuildReport:
    results = json.loads((target / "run_results.json").read_bytes())
    done = Counter(result["unique_id"].partition(".")[0] for result in results["results"] if result["status"] in _DONE)
    status = built.stat()
    return BuildReport(
        invocation_id=results["metadata"]["invocation_id"],
        seconds=seconds,
        models=done["model"],
        tests=done["test"],
        warehouse_bytes=status.st_size,
        data_as_of=datetime.fromtimestamp(status.st_mtime, UTC),
    )


def table_sizes(connection: duckdb.DuckDBPyConnection, path: Path) -> dict[str, int]:
    """Rows of each table of the file at ``path``, by ``schema.table``.

    Args:
        connection: Any connection without a database named ``warehouse``; the file is attached to it read-only, so that
            neither a build nor an export meets a lock.
    """
    connection.execute(f"ATTACH {literal(str(path))} AS warehouse (READ_ONLY)")
    return {f"{schema}.{table}": rows for schema, table, rows in connection.execute(_TABLES).fetchall()}
