"""How long the catalogue takes over a large manifest, and over one that did not change.

    python benchmarks/catalogue.py FOLDER

The largest ``manifest.json`` below FOLDER is copied with every model marked as a dataset, and its models are repeated
under other names until it is as large as that of a very large project. One JSON object a line goes to stdout. What does
not belong here: anything about the warehouse, whose answers are made up.
"""

import argparse
import copy
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

from analytics_exports.catalogue import DbtCatalogue
from analytics_exports.domain.dataset import Column, Relation

BYTES = 11_000_000
READINGS = 11
CALLS = 2_000
ROUNDS = 11

Tables = Mapping[Relation, tuple[Column, ...]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="a folder with manifests of dbt projects below it")
    found = max(parser.parse_args().folder.rglob("manifest.json"), key=lambda path: path.stat().st_size, default=None)
    if found is None:
        parser.error("there is no manifest.json below this folder")
    manifest, tables = enlarged(orjson.loads(found.read_bytes()))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "manifest.json")
        path.write_bytes(orjson.dumps(manifest))
        catalogue = DbtCatalogue(path, path.with_name("catalog.json"), tables.get)
        state = catalogue.state()
        print(f"{path.stat().st_size:,} bytes, {len(state.datasets)} datasets, all offered", file=sys.stderr)
        assert state.datasets
        assert not state.rejected
        report("manifest_parse_s", [reading(path, tables) for _ in range(READINGS)], "s")
        report("catalogue_unchanged_us", [unchanged(catalogue) for _ in range(ROUNDS)], "us")


def enlarged(manifest: dict[str, Any]) -> tuple[dict[str, Any], Tables]:
    """The manifest with all models marked and repeated up to ``BYTES``, and the tables that the models have."""
    nodes: dict[str, Any] = manifest["nodes"]
    models = {key: node for key, node in nodes.items() if node["resource_type"] == "model"}
    for node in models.values():
        node["meta"] = {"dataset": True}
    missing = BYTES - len(orjson.dumps(manifest))
    size = len(orjson.dumps(models))
    for number in range(-(-missing // size)):
        for key, node in models.items():
            name = f"{node['name']}_{number}"
            nodes[f"{key}_{number}"] = {**copy.deepcopy(node), "name": name, "alias": name}
    owned = (Column("user_id", "UUID"), Column("amount", "DECIMAL(18,2)"))
    all_models = (node for node in nodes.values() if node["resource_type"] == "model")
    return manifest, {Relation(node["database"], node["schema"], node["alias"]): owned for node in all_models}


def reading(path: Path, tables: Tables) -> float:
    """Seconds from files to datasets."""
    begin = time.perf_counter()
    DbtCatalogue(path, path.with_name("catalog.json"), tables.get).state()
    return time.perf_counter() - begin


def unchanged(catalogue: DbtCatalogue) -> float:
    """Microseconds of one call while the files stay as they are."""
    begin = time.perf_counter()
    for _ in range(CALLS):
        catalogue.state()
    return (time.perf_counter() - begin) / CALLS * 1e6


def report(figure: str, values: list[float], unit: str) -> None:
    """Print the median."""
    line = {"figure": figure, "arm": "ours", "stat": "median", "value": round(statistics.median(values), 3)}
    print(json.dumps({**line, "unit": unit, "n": len(values)}), flush=True)


if __name__ == "__main__":
    main()
