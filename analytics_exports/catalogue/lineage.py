"""How datasets came about: the dbt models, seeds, snapshots and sources that each was made from, by manifest.json.

For the asset graph that operators look at. Which models are offered belongs to ``catalogue``: here a marked model is
shown whether or not it could be offered. Nobody's export depends on the graph, so what is wrong with the manifest costs
no more than the node or the edge that it stands in, and is reported.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

import orjson
from pydantic import Field, ValidationError

from analytics_exports.catalogue.foreign import Foreign, faults, shown
from analytics_exports.catalogue.nodes import is_marked

KINDS = frozenset({"model", "seed", "snapshot", "source"})
"""The kinds of dbt nodes that have rows."""

Key = tuple[str, ...]
"""A key of an asset: ASCII letters, digits and underscores."""

_SAFE = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageNode:
    """One node of the dbt project.

    Attributes:
        key: Its own alone: its name, below the name of its source if it is one; its dbt id where others have the same.
        kind: One of ``KINDS``.
        table: ``schema.table`` in the warehouse.
        columns: Descriptions by name, as far as the project says.
        parents: The keys of what it is made from.
    """

    key: Key
    kind: str
    table: str
    description: str
    columns: Mapping[str, str]
    parents: tuple[Key, ...]
    is_dataset: bool


@dataclass(frozen=True, slots=True)
class Lineage:
    """The nodes, parents first, and what could not be shown of the manifest, for operators."""

    nodes: tuple[LineageNode, ...] = ()
    problems: tuple[str, ...] = ()


class _Column(Foreign):
    description: str = ""


class _DependsOn(Foreign):
    nodes: tuple[str, ...] = ()


class _Node(Foreign):
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


def safe_name(name: str) -> str:
    """A foreign name as a part of a key; different names stay different."""
    if _SAFE.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9_]', '_', name)}_{digest}"


def read_lineage(manifest: Path) -> Lineage:
    """Every marked model and whatever it was made from, each once; nothing when the manifest cannot be read."""
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
            problems.append(f"{shown(unique_id)} is not what dbt writes ({faults(error)}).")
            continue
        if node.resource_type in KINDS:
            found[unique_id] = node
            ahead.extend(node.depends_on.nodes)
    return found


def _without_cycles(nodes: Mapping[str, _Node], problems: list[str]) -> Mapping[str, Collection[str]]:
    """The parents of each node, parents first. Of nodes that depend on each other in a circle, edges are left out."""
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
            problems.append(f"{shown(child)} and {shown(parent)} depend on each other; one edge is not shown.")


def _keys(nodes: Mapping[str, _Node], marked: Collection[str]) -> dict[str, Key]:
    """A key for each node. Of several nodes of one name, a dataset has the plain key if it is the only one."""
    ids = {unique_id: tuple(map(safe_name, unique_id.split("."))) for unique_id in nodes}
    wanted = Counter(node.short_key for node in nodes.values())
    by_datasets = Counter(nodes[unique_id].short_key for unique_id in marked if unique_id in nodes)
    taken = {(), *ids.values()}

    def key(unique_id: str, node: _Node) -> Key:
        short = node.short_key
        alone = by_datasets[short] == 1 if unique_id in marked else wanted[short] == 1
        return short if alone and short not in taken else ids[unique_id]

    return {unique_id: key(unique_id, node) for unique_id, node in nodes.items()}
