"""The ancestors of datasets: the dbt models, seeds, snapshots and sources that each was made from, by manifest.json.

For the asset graph in Dagster. Which models are offered belongs to ``catalogue``: a marked model is shown here whether
or not it could be offered. No export depends on the graph, so an error in the manifest only removes the node or edge
that it concerns, and is reported.
"""

from collections import Counter
from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import orjson
from pydantic import Field, ValidationError

from analytics_exports.catalogue.artifact_models import ArtifactModel, format_errors, sanitize
from analytics_exports.catalogue.nodes import is_marked
from analytics_exports.domain.lineage import KINDS, Key, Lineage, LineageNode, safe_name


class _Column(ArtifactModel):
    description: str = ""


class _DependsOn(ArtifactModel):
    nodes: tuple[str, ...] = ()


class _Node(ArtifactModel):
    name: str
    resource_type: str
    source_name: str = ""
    schema_name: str = Field("", alias="schema")
    alias: str = ""
    identifier: str = ""
    description: str = ""
    version: str | float | None = None
    latest_version: str | float | None = None
    columns: dict[str, _Column] = Field(default_factory=dict)
    depends_on: _DependsOn = _DependsOn()

    @property
    def table(self) -> str:
        return f"{self.schema_name}.{self.alias or self.identifier or self.name}"

    @property
    def is_latest(self) -> bool:
        return self.version == self.latest_version

    @property
    def short_key(self) -> Key:
        """What people look for. A version that is not the latest has none."""
        names = (self.source_name, self.name) if self.resource_type == "source" else (self.name,)
        return tuple(map(safe_name, names)) if self.is_latest else ()


def read_lineage(manifest: Path) -> Lineage:
    """Every marked model and its ancestors; empty when the manifest cannot be read."""
    try:
        content = orjson.loads(manifest.read_bytes())
        raw: dict[str, Any] = {**content.get("sources", {}), **content["nodes"]}
    except (OSError, orjson.JSONDecodeError, AttributeError, KeyError, TypeError):
        return Lineage()
    marked = {unique_id for unique_id, node in raw.items() if is_marked(node)}
    problems: list[str] = []
    nodes = _upstream(marked, raw, problems)
    parents = _without_cycles(nodes, problems)
    keys = _keys(nodes, marked)
    return Lineage(
        tuple(
            LineageNode(
                key=keys[unique_id],
                kind=node.resource_type,
                table=node.table,
                description=node.description,
                columns={name: column.description for name, column in node.columns.items()},
                parents=tuple(keys[parent] for parent in parents[unique_id]),
                is_dataset=unique_id in marked,
            )
            for unique_id, node in ((unique_id, nodes[unique_id]) for unique_id in parents)
        ),
        tuple(problems),
    )


def _upstream(start: Collection[str], raw: Mapping[str, Any], problems: list[str]) -> dict[str, _Node]:
    """The nodes of ``start`` and all their ancestors that have rows, by dbt's unique id."""
    found: dict[str, _Node] = {}
    seen: set[str] = set()
    ahead = sorted(start)
    while ahead:
        unique_id = ahead.pop()
        if unique_id in seen or unique_id not in raw:
            continue
        seen.add(unique_id)
        try:
            node = _Node.model_validate(raw[unique_id])
        except ValidationError as error:
            problems.append(f"{sanitize(unique_id)} is not what dbt writes ({format_errors(error)}).")
            continue
        if node.resource_type in KINDS:
            found[unique_id] = node
            ahead.extend(node.depends_on.nodes)
    return found


def _without_cycles(nodes: Mapping[str, _Node], problems: list[str]) -> Mapping[str, Collection[str]]:
    """The parents of each node, parents first. Edges that form a cycle are left out."""
    parents = {
        unique_id: dict.fromkeys(parent for parent in node.depends_on.nodes if parent in nodes)
        for unique_id, node in nodes.items()
    }
    while True:
        try:
            return {unique_id: parents[unique_id] for unique_id in TopologicalSorter(parents).static_order()}
        except CycleError as error:
            parent, child = error.args[1][:2]
            del parents[child][parent]
            problems.append(f"{sanitize(child)} and {sanitize(parent)} depend on each other; one edge is not shown.")


def _keys(nodes: Mapping[str, _Node], marked: Collection[str]) -> dict[str, Key]:
    """A key for each node. Of several nodes with one name, a dataset gets the short key if it is the only dataset."""
    ids = {unique_id: tuple(map(safe_name, unique_id.split("."))) for unique_id in nodes}
    wanted = Counter(node.short_key for node in nodes.values())
    by_datasets = Counter(nodes[unique_id].short_key for unique_id in marked if unique_id in nodes)
    taken = {(), *ids.values()}

    def key(unique_id: str, node: _Node) -> Key:
        short = node.short_key
        alone = by_datasets[short] == 1 if unique_id in marked else wanted[short] == 1
        return short if alone and short not in taken else ids[unique_id]

    return {unique_id: key(unique_id, node) for unique_id, node in nodes.items()}
