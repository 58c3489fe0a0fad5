"""Who calls, and what operators request in the name of a user."""

import pytest

from analytics_exports.domain.access import Principal, Scope, UserId
from analytics_exports.domain.errors import UserNotFound
from analytics_exports.domain.formats import Format
from analytics_exports.domain.selection import Selection
from analytics_exports.services.callers import Callers
from analytics_exports.services.datasets import DatasetReader
from analytics_exports.services.export_commands import ExportCommands, OperatorRequests
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.adapters import FakeAdapters
from analytics_exports_tests.fakes.directory import FakeDirectory, FakeUserStore

READ = frozenset({Scope.EXPORTS_READ})


class CountingDirectory(FakeDirectory):
    """Counts how often users are created."""

    created = 0

    def ensure_user(self, principal: Principal) -> None:
        self.created += 1
        super().ensure_user(principal)


def test_a_token_is_looked_up_here_first_and_then_with_the_issuer() -> None:
    directory, own, foreign = FakeDirectory(), factories.principal(), factories.principal()
    directory.tokens["own"] = own
    directory.ensure_user(foreign)
    asked: list[str] = []

    def verify(token: str) -> tuple[UserId, frozenset[Scope]] | None:
        asked.append(token)
        return (foreign.user_id, READ) if token == "foreign" else None

    callers = Callers(directory, verify)

    assert callers.authenticate("own") == own
    assert asked == []
    assert callers.authenticate("foreign") == Principal(foreign.user_id, foreign.owner_key, READ)
    assert callers.authenticate("neither") is None
    directory.disabled.add(foreign.user_id)
    assert callers.authenticate("foreign") is None
    assert Callers(directory).authenticate("foreign") is None


def test_a_caller_of_a_host_application_is_registered_once() -> None:
    directory, caller = CountingDirectory(), factories.principal()
    callers = Callers(directory)
    for _ in range(3):
        callers.register(caller)

    assert callers.profile(caller, 10).label == "user"
    assert directory.created == 1


def test_an_operator_requests_in_the_name_of_an_enabled_user() -> None:
    users, adapters = FakeUserStore(), FakeAdapters()
    commands = ExportCommands(
        datasets=DatasetReader(adapters.catalogue, adapters.directory),
        check_options=lambda _, options: options,
        jobs=adapters.jobs,
        artifacts=adapters.artifacts,
        orchestrator=adapters.orchestrator,
        max_unfinished=1,
    )
    requests = OperatorRequests(users, commands)
    user = users.add("Alice", "alice-7")
    job = requests.submit("Alice", adapters.dataset.id, Format.CSV, Selection(), {})

    assert (job.user_id, job.owner_key) == (user.id, "alice-7")
    users.disable(user.id)
    with pytest.raises(UserNotFound, match="disabled"):
        requests.submit("Alice", adapters.dataset.id, Format.CSV, Selection(), {})
