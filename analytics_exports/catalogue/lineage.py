"""How datasets came about: the dbt models, seeds, snapshots and sources that each was made from, by manifest.json.

For the asset graph that operators look at. Which models are offered belongs to ``catalogue``: here a marked model is
shown whether or not it could be offered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from pydantic import Field, ValidationError

from analytics_exports.catalogue.foreign import Foreign
from analytics_exports.catalogue.nodes import is_marked

KINDS = frozenset({"model", "seed", "snapshot", "source"})
"""The kinds of dbt nodes that have rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageNode:
    """One node of the dbt project.

    Attributes:
        path: Its name, below the name of its source if it is one.
        kind: One of ``KINDS``.
        columns: Descriptions by name, as far as the project says.
        parents: The paths of what it is made from.
    """

    path: tuple[str, ...]
    kind: str
    description: str
    columns: Mapping[str, str]
    parents: tuple[tuple[str, ...], ...]
    is_dataset: bool


class _Column(Foreign):
    description: str = ""


class _DependsOn(Foreign):
    nodes: tuple[str, ...] = ()


class _Node(Foreign):
    name: str
    resource_type: str
    source_name: str = ""
    description: str = ""
    columns: dict[str, _Column] = Field(default_factory=dict)
    depends_on: _DependsOn = _DependsOn()

    @property
    def path(self) -> tuple[str, ...]:
        return (self.source_name, self.name) if self.resource_type == "source" else (self.name,)


def read_lineage(manifest: Path) -> tuple[LineageNode, ...]:
    """Every marked model and whatever it was made from, each once; nothing when the manifest cannot be read."""
    try:
        content = orjson.loads(manifest.read_bytes())
        raw: dict[str, Any] = {**content["sources"], **content["nodes"]}
        marked = [unique_id for unique_id, node in content["nodes"].items() if is_marked(node)]
        nodes = _upstream(marked, raw)
    except (OSError, orjson.JSONDecodeError, KeyError, TypeError, ValidationError):
        return ()
    return tuple(
        LineageNode(
            path=node.path,
            kind=node.resource_type,
            description=node.description,
            columns={name: column.description for name, column in node.columns.items()},
            parents=tuple(nodes[parent].path for parent in node.depends_on.nodes if parent in nodes),
            is_dataset=unique_id in marked,
        )
        for unique_id, node in nodes.items()
    )


def _upstream(start: list[str], raw: Mapping[str, Any]) -> dict[str, _Node]:
    """The nodes of ``start`` and all their ancestors that have rows, by dbt's unique id."""
    found: dict[str, _Node] = {}
    ahead = list(start)
    while ahead:
        unique_id = ahead.pop()
        if unique_id in found or unique_id not in raw:
            continue
        node = _Node.model_validate(raw[unique_id])
        if node.resource_type in KINDS:
            found[unique_id] = node
            ahead.extend(node.depends_on.nodes)
    return found
