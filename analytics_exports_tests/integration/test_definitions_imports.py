"""What loading the definitions imports: Dagster, and next to nothing else."""

import subprocess
import sys

LISTED = "\nimport sys\nprint(*sys.modules)"
BESIDE_DAGSTER = {"analytics_exports", "antlr4", "dotenv", "graphlib", "orjson", "pydantic_settings"}
ADAPTERS = ("api", "artifacts", "bootstrap", "cli", "client", "database", "identity", "stack", "warehouse", "web")


def imported(code: str) -> set[str]:
    """The modules that a new interpreter has loaded after ``code``."""
    done = subprocess.run([sys.executable, "-c", code + LISTED], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def packages(modules: set[str]) -> set[str]:
    return {module.partition(".")[0] for module in modules}


def test_definitions_import_little_besides_dagster() -> None:
    found = imported("import analytics_exports.definitions")

    assert packages(found) - packages(imported("import dagster, dagster_postgres")) <= BESIDE_DAGSTER
    assert [name for name in found if name.startswith(tuple(f"analytics_exports.{part}." for part in ADAPTERS))] == []
