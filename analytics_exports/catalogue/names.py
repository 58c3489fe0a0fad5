"""Which model a name stands for when several have it.

A dataset's id is made from its model's name, so a name stands for one model or for none. Of a versioned model it stands
for the latest version, as ``ref('name')`` does in dbt; other versions are not offered. Models of two packages with the
same name are both refused, because a choice between them could change without anybody noticing.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from analytics_exports.catalogue.foreign import shown
from analytics_exports.catalogue.nodes import Model
from analytics_exports.domain.dataset import Rejection


def one_for_each_name(models: Iterable[Model]) -> tuple[list[Model], list[Rejection]]:
    """The models whose names are theirs alone, and the names that stand for none."""
    sharing: dict[str, list[Model]] = defaultdict(list)
    for model in models:
        sharing[model.name].append(model)
    latest = {name: [model for model in group if model.is_latest] for name, group in sharing.items()}
    return (
        [group[0] for group in latest.values() if len(group) == 1],
        [Rejection(shown(name), _reason(group)) for name, group in latest.items() if len(group) != 1],
    )


def _reason(latest: Sequence[Model]) -> str:
    if not latest:
        return "Only an older or a preview version is marked; mark the latest version of the model."
    packages = ", ".join(sorted(shown(model.package) for model in latest))
    return f"Several models have this name (packages: {packages}); rename one, or mark only one as a dataset."
