"""Which model a name refers to when several have it.

A dataset's id is derived from its model's name, so a name refers to one model or to none. For a versioned model it
refers to the latest version, as ``ref('name')`` does in dbt; other versions are not offered. Models of two packages
with the same name are both rejected, because a choice between them could change unnoticed.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from analytics_exports.catalogue.artifact_models import sanitize
from analytics_exports.catalogue.nodes import Model
from analytics_exports.domain.dataset import Rejection


def resolve_names(models: Iterable[Model]) -> tuple[list[Model], list[Rejection]]:
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
