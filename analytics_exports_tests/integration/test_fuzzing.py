"""The interface keeps what its document says, whatever two users send; ``make fuzz`` tries many times more."""

from pathlib import Path

from analytics_exports_tests.fuzzing import LIMITS, fuzz
from analytics_exports_tests.live_service import live_service


def test_no_request_gets_an_answer_that_is_not_in_the_document(tmp_path: Path, database_url: str) -> None:
    with live_service(tmp_path, database_url, **LIMITS) as service:
        users = {name: service.user() for name in ("anna", "ben")}
        for user in users.values():
            service.made(user)
            user.asked()
        found = fuzz(
            service.base_url,
            {name: user.token for name, user in users.items()},
            tmp_path,
            *("--max-examples", "2", "--seed", "1"),
        )

    assert found.passed, found.report
    assert found.cases > 1000
