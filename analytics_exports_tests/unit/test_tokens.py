"""API tokens as texts, and what they may be made like."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_exports.database.token_store import new_token, token_digest
from analytics_exports.domain.access import USER_SCOPES
from analytics_exports.domain.errors import InvalidRequest
from analytics_exports.services.tokens import TokenService
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.directory import FakeDirectory, FakeTokenStore

DAY = timedelta(days=1)


def test_a_token_can_be_recognised_and_is_never_the_same() -> None:
    tokens = {new_token() for _ in range(100)}

    assert len(tokens) == 100
    for token in tokens:
        assert token.startswith("aex_")
        assert len(token) == 4 + 43 + 1 + 8
        assert token_digest(token) is not None
        assert token.encode() not in (token_digest(token) or b"")


@given(st.data())
def test_a_token_with_a_slip_of_the_pen_is_none(data: st.DataObject) -> None:
    token = new_token()
    at = data.draw(st.integers(0, len(token) - 1))
    letter = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda found: found != token[at]))

    assert token_digest(token[:at] + letter + token[at + 1 :]) is None


@given(st.text())
def test_any_text_can_be_shown_as_a_token(text: str) -> None:
    assert token_digest(text) is None
    assert token_digest(f"aex_{text}_00000000") is None or text


def tokens() -> tuple[TokenService, FakeDirectory]:
    directory = FakeDirectory()
    return TokenService(FakeTokenStore(directory), longest=90 * DAY), directory


def test_a_token_is_valid_as_long_as_tokens_may_be_unless_less_is_asked_for() -> None:
    service, directory = tokens()
    user = factories.principal()
    directory.ensure_user(user)
    issued = [service.issue(user.user_id, "t", USER_SCOPES, lifetime)[1] for lifetime in (None, 3 * DAY)]

    assert [token.expires_at - factories.NOW for token in issued] == [90 * DAY, 3 * DAY]


def test_no_token_is_valid_for_longer() -> None:
    service, directory = tokens()
    user = factories.principal()
    directory.ensure_user(user)
    token = service.issue(user.user_id, "t", USER_SCOPES)[1]

    with pytest.raises(InvalidRequest):
        service.issue(user.user_id, "t", USER_SCOPES, 91 * DAY)
    with pytest.raises(InvalidRequest):
        service.rotate(token.id, DAY, 91 * DAY)
