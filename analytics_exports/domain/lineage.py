"""The ancestors of datasets: the dbt models, seeds, snapshots and sources that each was made from."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

KINDS = frozenset({"model", "seed", "snapshot", "source"})
"""Resource types of dbt that have rows."""

Key = tuple[str, ...]
"""Key of an asset: ASCII letters, digits and underscores."""

_SAFE = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class LineageNode:
    """One node of the dbt project.

    Attributes:
        key: Unique: its name, for a source below the name of the source; its dbt id where another node has the same
            name.
        kind: One of ``KINDS``.
        table: ``schema.table`` in the warehouse.
        columns: Descriptions by name, where the project has any.
        parents: Keys of its direct ancestors.
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
    """The nodes, parents first, and what could not be shown, for operators."""

    nodes: tuple[LineageNode, ...] = ()
    problems: tuple[str, ...] = ()


def safe_name(name: str) -> str:
    """A name as part of a key; different names stay different."""
    if _SAFE.fullmatch(name):
        return name
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:8]
    return f"{re.sub(r'[^A-Za-z0-9_]', '_', name)}_{digest}"
