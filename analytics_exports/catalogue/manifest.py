"""Reading dbt's artifacts, ``manifest.json`` and ``catalog.json``, completely or not at all.

The schema version is checked; then the models that are marked as datasets are extracted and the rest is discarded. A
marked model that cannot be parsed is rejected without affecting the others.

A dataset's id is derived from its model's name, so a name refers to one model or to none. For a versioned model it
refers to the latest version, as ``ref('name')`` does in dbt; other versions are not offered. Models of two packages
with the same name are both rejected, because a choice between them could change unnoticed.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import orjson
from pydantic import AfterValidator, Field, ValidationError

from analytics_exports.catalogue.artifact_models import ArtifactModel, UnreadableArtifact, format_errors, sanitize
from analytics_exports.catalogue.nodes import Model, is_marked, model_of
from analytics_exports.domain.dataset import Rejection

OLDEST, NEWEST = 9, 12
"""Supported versions of the manifest's schema: those that dbt writes since 1.5."""

_VERSION = re.compile(r"/manifest/v(\d{1,4})\.json$")

Moment = Annotated[datetime, AfterValidator(lambda at: at if at.tzinfo else at.replace(tzinfo=UTC))]
File = TypeVar("File", "ManifestFile", "CatalogFile")


class ManifestMetadata(ArtifactModel):
    """Metadata of manifest.json."""

    dbt_schema_version: str
    generated_at: Moment
    invocation_id: str = ""


class ManifestFile(ArtifactModel):
    """manifest.json. The nodes are validated one by one."""

    metadata: ManifestMetadata
    nodes: dict[str, Any]


class CatalogMetadata(ArtifactModel):
    """Metadata of catalog.json."""

    generated_at: Moment | None = None


class CatalogFile(ArtifactModel):
    """catalog.json, or an empty one in place of a missing file."""

    metadata: CatalogMetadata = CatalogMetadata()
    nodes: dict[str, Any] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifacts:
    """The content of both files.

    Attributes:
        generated_at: When dbt wrote the manifest (aware).
        models: One for each name.
        rejected: Marked models that are ambiguous or malformed.
        catalog_is_current: Whether catalog.json is at least as new as the manifest.
    """

    generated_at: datetime
    invocation_id: str
    models: tuple[Model, ...]
    rejected: tuple[Rejection, ...]
    catalog_is_current: bool


def read_artifacts(manifest: Path, catalog: Path | None) -> Artifacts:
    """Read the manifest, and the catalog if there is one.

    Raises:
        UnreadableArtifact: one of them cannot be read.
    """
    project = _load(manifest, "manifest.json", ManifestFile)
    if project is None:
        raise UnreadableArtifact("manifest.json is not there; run dbt, or check the path in the settings.")
    written = project.metadata
    _check_version(written.dbt_schema_version)
    described = (_load(catalog, "catalog.json", CatalogFile) if catalog else None) or CatalogFile()
    described_at = described.metadata.generated_at
    understood, rejected = _models(project.nodes, described.nodes)
    models, ambiguous = _resolve_names(understood)
    return Artifacts(
        generated_at=written.generated_at,
        invocation_id=written.invocation_id,
        models=tuple(models),
        rejected=(*rejected, *ambiguous),
        catalog_is_current=described_at is not None and described_at >= written.generated_at,
    )


def _load(path: Path, name: str, form: type[File]) -> File | None:
    """The parsed file; ``None`` when it does not exist."""
    try:
        return form.model_validate(orjson.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except OSError:
        raise UnreadableArtifact(f"{name} cannot be read; check its permissions.") from None
    except orjson.JSONDecodeError:
        raise UnreadableArtifact(f"{name} is not whole; run dbt again.") from None
    except ValidationError as error:
        raise UnreadableArtifact(f"{name} is not what dbt writes ({format_errors(error)}).") from None


def _check_version(schema: str) -> None:
    found = _VERSION.search(schema)
    if found is None or not OLDEST <= int(found[1]) <= NEWEST:
        version = f"version {found[1]}" if found else "an unknown version"
        raise UnreadableArtifact(f"manifest.json has {version} of its schema; {OLDEST} to {NEWEST} are understood.")


def _models(nodes: Mapping[str, Any], described: Mapping[str, Any]) -> tuple[list[Model], list[Rejection]]:
    """The marked models that can be parsed, and rejections of the others."""
    understood: list[Model] = []
    rejected: list[Rejection] = []
    for unique_id, node in nodes.items():
        if is_marked(node):
            try:
                understood.append(model_of(node, described.get(unique_id)))
            except ValidationError as error:
                name = node.get("name")
                reason = f"Its entry in manifest.json or catalog.json is not what dbt writes ({format_errors(error)})."
                rejected.append(Rejection(sanitize(name if isinstance(name, str) else unique_id), reason))
    return understood, rejected


def _resolve_names(models: Iterable[Model]) -> tuple[list[Model], list[Rejection]]:
    """The models with unambiguous names, and rejections of the others."""
    sharing: dict[str, list[Model]] = defaultdict(list)
    for model in models:
        sharing[model.name].append(model)
    latest = {name: [model for model in group if model.is_latest] for name, group in sharing.items()}
    return (
        [group[0] for group in latest.values() if len(group) == 1],
        [Rejection(sanitize(name), _reason(group)) for name, group in latest.items() if len(group) != 1],
    )


def _reason(latest: Sequence[Model]) -> str:
    if not latest:
        return "Only an older or a preview version is marked; mark the latest version of the model."
    packages = ", ".join(sorted(sanitize(model.package) for model in latest))
    return f"Several models have this name (packages: {packages}); rename one, or mark only one as a dataset."
