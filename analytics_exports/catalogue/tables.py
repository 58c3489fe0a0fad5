"""A model's columns: what catalog.json says, or what the warehouse says.

catalog.json suffices for a table, as long as it is as new as the manifest. It does not tell the collation of a text,
which matters for the owner, nor whether a view can be read from within the warehouse alone. For these the warehouse is
asked, as for whatever catalog.json does not have. While the warehouse is away, its last answer counts, then that of
catalog.json, however old.
"""

from collections.abc import Callable, Mapping

from analytics_exports.catalogue.foreign import Unfit
from analytics_exports.catalogue.nodes import Model
from analytics_exports.domain.dataset import OWNER_COLUMN, Column, Relation
from analytics_exports.domain.errors import ExportError, Unavailable

Columns = tuple[Column, ...]
Describe = Callable[[Relation], Columns | None]
"""Asks the warehouse for the columns of a relation; ``None`` when there is none.

A text with a collation has a type like ``VARCHAR COLLATE nocase``. Raises Unavailable when the warehouse cannot be
asked now, and another ExportError when it cannot read this relation.
"""


class Tables:
    """Remembers the warehouse's answers. Each table is asked for once for each manifest, or until there is an answer.

    Attributes:
        unsettled: Whether a later look may find something else without a new manifest.
    """

    def __init__(self, describe: Describe) -> None:
        """Ask with ``describe``."""
        self._describe = describe
        self._answers: dict[Relation, Columns] = {}
        self._earlier: Mapping[Relation, Columns] = {}
        self._away = False
        self.unsettled = False

    def forget(self) -> None:
        """There is a new manifest: earlier answers count only while the warehouse is away."""
        self._earlier = {**self._earlier, **self._answers}
        self._answers = {}

    def look_again(self) -> None:
        """Begin another look: a warehouse that was away may be back."""
        self._away = self.unsettled = False

    def columns(self, model: Model, *, catalog_is_current: bool) -> Columns:
        """The columns of the model's table, in order.

        Raises:
            Unfit: there is no such table, or its columns cannot be known now.
        """
        if catalog_is_current and _tells_all(model):
            return model.catalogued
        known = self._answers.get(model.relation) or self._ask(model.relation)
        if known is None:
            self.unsettled = True
            known = self._earlier.get(model.relation) or model.catalogued
        if not known:
            raise Unfit("Its columns are unknown: the warehouse is away, and catalog.json does not have the model.")
        return known

    def _ask(self, relation: Relation) -> Columns | None:
        """The warehouse's answer; ``None`` when it is away. It is not asked again in the same look then."""
        if self._away:
            return None
        try:
            found = self._describe(relation)
        except Unavailable:
            self._away = True
            return None
        except ExportError:
            self.unsettled = True
            raise Unfit("Its table cannot be read; a view of files outside the warehouse has to be a table.") from None
        if found is None:
            self.unsettled = True
            raise Unfit("The warehouse has no such table; build the model with dbt.")
        self._answers[relation] = found
        return found


def _tells_all(model: Model) -> bool:
    """Whether the entry in catalog.json, if it is current, leaves no question."""
    owner = next((column.type for column in model.catalogued if column.name.lower() == OWNER_COLUMN), None)
    return owner is not None and not owner.upper().startswith("VARCHAR") and not model.is_view
