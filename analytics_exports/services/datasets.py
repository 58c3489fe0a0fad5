"""The datasets on offer, and which of their rows a caller may select."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

from analytics_exports.domain.access import Principal, UserId
from analytics_exports.domain.dataset import Dataset, DatasetId
from analytics_exports.domain.errors import DatasetNotFound, FieldProblem, InvalidRequest
from analytics_exports.domain.selection import Selection, check_selection
from analytics_exports.ports import Catalogue, Directory


@dataclass(frozen=True, slots=True)
class DatasetReader:
    """Lists datasets, finds them by id, and checks what is selected of them before every query and export."""

    catalogue: Catalogue
    directory: Directory

    def list(self) -> Sequence[Dataset]:
        """All datasets on offer, ordered by group and name."""
        return sorted(self.catalogue.state().datasets.values(), key=lambda item: (item.group or "", item.name))

    def get(self, dataset_id: DatasetId) -> Dataset:
        """The dataset with this id. Raises DatasetNotFound."""
        found = self.catalogue.state().datasets.get(dataset_id)
        if found is None:
            raise DatasetNotFound
        return found

    def check(self, principal: Principal, dataset_id: DatasetId, selection: Selection) -> tuple[Dataset, Selection]:
        """The dataset, and the selection with names as the warehouse writes them.

        Raises:
            DatasetNotFound: there is no such dataset.
            InvalidRequest: naming every field that is wrong, or that is not the caller's.
        """
        dataset = self.get(dataset_id)
        selection = check_selection(selection, dataset)
        accounts = _foreign(principal, "account_ids", selection.account_ids, self.directory.accounts_owned)
        tags = _foreign(principal, "tag_ids", selection.tag_ids, self.directory.tags_owned)
        if problems := (*accounts, *tags):
            raise InvalidRequest(*problems)
        return dataset, selection


def _foreign(
    principal: Principal,
    field: str,
    ids: tuple[str, ...] | None,
    owned: Callable[[UserId, Collection[str]], frozenset[str]],
) -> Iterator[FieldProblem]:
    """Ids that are not the caller's, by position, without revealing whether they exist."""
    if ids:
        mine = owned(principal.user_id, ids)
        for number, value in enumerate(ids):
            if value not in mine:
                yield FieldProblem(f"/{field}/{number}", "This is not one of yours.")
