"""The columns of a model's table, according to catalog.json or to the warehouse.

catalog.json is sufficient for a table if it is as new as the manifest. It contains neither the collation of a text
column, which matters for the owner, nor whether a view can be read within the warehouse alone. In these cases, and for
models that are missing in catalog.json, the warehouse is queried. While the warehouse is away its last answer is used,
then that of catalog.json, however old.
"""

from collections.abc import Callable, Mapping

from analytics_exports.catalogue.artifact_models import RejectedModel
from analytics_exports.catalogue.nodes import Model
from analytics_exports.domain.dataset import OWNER_COLUMN, Column, Relation
from analytics_exports.domain.errors import ExportError, Unavailable

Columns = tuple[Column, ...]
Describe = Callable[[Relation], Columns | None]
"""Queries the columns of a relation in the warehouse; ``None`` when it does not exist.

A text column with a collation has a type like ``VARCHAR COLLATE nocase``. Raises Unavailable when the warehouse cannot
be queried now, and another ExportError when it cannot read this relation.
"""


class TableColumns:
    """Caches the warehouse's answers. Each table is queried once for each manifest.

    Attributes:
        may_change: Whether a later pass may have another result without a new manifest.
    """

    def __init__(self, describe: Describe) -> None:
        """Query with ``describe``."""
        self._describe = describe
        self._answers: dict[Relation, Columns] = {}
        self._earlier: Mapping[Relation, Columns] = {}
        self._away = False
        self.may_change = False

    def start_new_manifest(self) -> None:
        """Start a new manifest: earlier answers are used only while the warehouse is away."""
        self._earlier = {**self._earlier, **self._answers}
        self._answers = {}

    def begin_pass(self) -> None:
        """Begin a pass over all models: a warehouse that was away may be back."""
        self._away = self.may_change = False

    def columns(self, model: Model, *, catalog_is_current: bool) -> Columns:
        """The columns of the model's table, in order.

        Raises:
            RejectedModel: there is no such table, or its columns cannot be determined now.
        """
        if catalog_is_current and _catalog_suffices(model):
            return model.catalogued
        known = self._answers.get(model.relation) or self._ask(model.relation)
        if known is None:
            self.may_change = True
            known = self._earlier.get(model.relation) or model.catalogued
        if not known:
            raise RejectedModel(
                "Its columns are unknown: the warehouse is away, and catalog.json does not have the model."
            )
        return known

    def _ask(self, relation: Relation) -> Columns | None:
        """The warehouse's answer; ``None`` when it is away. It is not queried again in the same pass then."""
        if self._away:
            return None
        try:
            found = self._describe(relation)
        except Unavailable:
            self._away = True
            return None
        except ExportError:
            self.may_change = True
            raise RejectedModel(
                "Its table cannot be read; a view of files outside the warehouse has to be a table."
            ) from None
        if found is None:
            self.may_change = True
            raise RejectedModel("The warehouse has no such table; build the model with dbt.")
        self._answers[relation] = found
        return found


def _catalog_suffices(model: Model) -> bool:
    """Whether a current entry in catalog.json is sufficient."""
    owner = next((column.type for column in model.catalogued if column.name.lower() == OWNER_COLUMN), None)
    return owner is not None and not owner.upper().startswith("VARCHAR") and not model.is_view
