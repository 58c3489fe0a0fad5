"""Validates what a caller selects before every query, estimate and export."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from analytics_exports.domain.access import Principal, UserId
from analytics_exports.domain.dataset import Dataset, DatasetId
from analytics_exports.domain.errors import FieldProblem, InvalidRequest
from analytics_exports.domain.selection import Selection, check_selection
from analytics_exports.ports import Directory
from analytics_exports.services.datasets import DatasetReader


@dataclass(frozen=True, slots=True)
class SelectionChecker:
    """Checks selections against the dataset and against the caller's accounts and tags."""

    datasets: DatasetReader
    directory: Directory

    def check(self, principal: Principal, dataset_id: DatasetId, selection: Selection) -> tuple[Dataset, Selection]:
        """The dataset, and the selection with names as the warehouse writes them.

        Raises:
            DatasetNotFound: there is no such dataset.
            InvalidRequest: naming every field that is wrong, or that is not the caller's.
        """
        dataset = self.datasets.get(dataset_id)
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
