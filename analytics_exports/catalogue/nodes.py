"""One model as dbt writes it: its node in manifest.json and its entry in catalog.json.

Keys that some schema versions lack have a default here. The content of ``meta`` is validated in ``meta``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from analytics_exports.catalogue.artifact_models import ArtifactModel
from analytics_exports.domain.dataset import Column, Relation

NON_UNIQUE_STRATEGIES = frozenset({"", "append", "delete+insert", "microbatch"})
"""Incremental strategies, including the default, under which several rows may have the same ``unique_key``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A dbt model with a table or view of its own that is marked as a dataset.

    Attributes:
        is_latest: Whether it is the version that the model's plain name refers to.
        is_view: Whether it is a view according to catalog.json.
        meta: As the project wrote it, not validated.
        descriptions: By column name in lower case.
        catalogued: The columns in catalog.json; empty when it does not have the model.
        keys: Candidate keys known to dbt, the most reliable first.
    """

    name: str
    package: str
    is_latest: bool
    is_view: bool
    relation: Relation
    description: str
    meta: Mapping[str, object]
    descriptions: Mapping[str, str]
    catalogued: tuple[Column, ...]
    keys: tuple[tuple[str, ...], ...]


class ConstraintPart(ArtifactModel):
    """A constraint of a model or a column."""

    type: str
    columns: tuple[str, ...] = ()


class ColumnPart(ArtifactModel):
    """A column described in the project."""

    name: str
    description: str = ""
    constraints: tuple[ConstraintPart, ...] = ()


class ConfigPart(ArtifactModel):
    """The configuration of a model."""

    materialized: str = "view"
    incremental_strategy: str = ""
    unique_key: Annotated[
        tuple[str, ...], BeforeValidator(lambda value: [value] if isinstance(value, str) else value)
    ] = ()


class ManifestNode(ArtifactModel):
    """A model's node in manifest.json."""

    name: str
    package_name: str = ""
    database: str
    schema_name: str = Field(alias="schema")
    alias: str = ""
    description: str = ""
    version: str | float | None = None
    latest_version: str | float | None = None
    config: ConfigPart = ConfigPart()
    columns: dict[str, ColumnPart] = Field(default_factory=dict)
    constraints: tuple[ConstraintPart, ...] = ()
    primary_key: tuple[str, ...] = ()


class CatalogColumn(ArtifactModel):
    """A column of a table when catalog.json was written."""

    name: str
    type: str
    index: int = 0


class CatalogTable(ArtifactModel):
    """The metadata of a table or view in catalog.json."""

    type: str = ""


class CatalogEntry(ArtifactModel):
    """A model's entry in catalog.json."""

    metadata: CatalogTable = CatalogTable()
    columns: dict[str, CatalogColumn] = Field(default_factory=dict)


def meta_of(node: Mapping[str, object]) -> Mapping[str, object]:
    """``meta`` of a node merged with that of its config, which takes precedence."""
    return {**_mapping(node.get("meta")), **_mapping(_mapping(node.get("config")).get("meta"))}


def is_marked(node: object) -> bool:
    """Whether a node is a model with a table or view of its own that is marked as a dataset."""
    node = _mapping(node)
    config = _mapping(node.get("config"))
    return (
        node.get("resource_type") == "model"
        and config.get("enabled") is not False
        and config.get("materialized") != "ephemeral"
        and bool(meta_of(node).get("dataset"))
    )


def model_of(content: Mapping[str, object], catalogued: object) -> Model:
    """Parse a node and its entry in catalog.json, if any.

    Raises:
        ValidationError: of pydantic, when one of them is malformed.
    """
    node = ManifestNode.model_validate(content)
    entry = CatalogEntry.model_validate(catalogued or {})
    columns = sorted(entry.columns.values(), key=lambda column: column.index)
    return Model(
        name=node.name,
        package=node.package_name,
        is_latest=node.version == node.latest_version,
        is_view="VIEW" in entry.metadata.type,
        relation=Relation(node.database, node.schema_name, node.alias or node.name),
        description=node.description,
        meta=meta_of(content),
        descriptions={column.name.lower(): column.description for column in node.columns.values()},
        catalogued=tuple(Column(column.name, column.type) for column in columns),
        keys=tuple(key for key in _keys(node) if key),
    )


def _keys(node: ManifestNode) -> tuple[tuple[str, ...], ...]:
    """Candidate keys. Declared primary keys come first: ``primary_key`` is inferred, also from tests, and unordered."""
    declared = [constraint.columns for constraint in node.constraints if constraint.type == "primary_key"]
    for column in node.columns.values():
        declared += [(column.name,) for constraint in column.constraints if constraint.type == "primary_key"]
    config = node.config
    is_proven = config.materialized != "incremental" or config.incremental_strategy not in NON_UNIQUE_STRATEGIES
    return (*declared, node.primary_key, config.unique_key if is_proven else ())


def _mapping(value: Any) -> Mapping[str, Any]:  # noqa: ANN401 - JSON
    return value if isinstance(value, dict) else {}
