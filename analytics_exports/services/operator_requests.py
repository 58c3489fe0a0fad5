"""Requests of operators in the name of a user, by the same rules as the user's own."""

from collections.abc import Mapping
from dataclasses import dataclass

from analytics_exports.domain.access import USER_SCOPES, Principal
from analytics_exports.domain.dataset import DatasetId
from analytics_exports.domain.errors import UserNotFound
from analytics_exports.domain.export import ExportJob
from analytics_exports.domain.formats import Format
from analytics_exports.domain.selection import Selection
from analytics_exports.ports import UserStore
from analytics_exports.services.export_commands import ExportCommands


@dataclass(frozen=True, slots=True)
class OperatorRequests:
    """Submits exports for a user whom an operator names."""

    users: UserStore
    export_commands: ExportCommands

    def submit(
        self, who: str, dataset_id: DatasetId, format: Format, selection: Selection, options: Mapping[str, object]
    ) -> ExportJob:
        """Submit an export for the user with this id, owner key or label.

        Raises:
            UserNotFound: there is no such user, there are several, or the user is disabled.
            ExportError: as ``ExportCommands.submit``.
        """
        user = self.users.find(who)
        if user.disabled_at is not None:
            raise UserNotFound("This user is disabled.")
        principal = Principal(user.id, user.owner_key, USER_SCOPES, actor="operator")
        return self.export_commands.submit(principal, dataset_id, format, selection, options).job
