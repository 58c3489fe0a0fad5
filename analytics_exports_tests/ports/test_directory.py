"""What every Directory and TokenStore must do: run on PostgreSQL and on the ones in memory."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import insert, text

from analytics_exports.database.directory import PostgresDirectory
from analytics_exports.database.engine import make_engine
from analytics_exports.database.models import Account, Tag, User
from analytics_exports.database.token_store import PostgresTokenStore
from analytics_exports.domain.access import USER_SCOPES, Named, Principal, Profile, Scope, UserId
from analytics_exports.domain.errors import TokenNotFound, UserNotFound
from analytics_exports.ports import Directory, TokenStore
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.directory import FakeDirectory, FakeTokenStore

DAY = timedelta(hours=24)


class DirectoryHarness:
    """A directory with its tokens, and ways to change what it knows."""

    def __init__(self, directory: Directory, tokens: TokenStore) -> None:
        self.directory = directory
        self.tokens = tokens
        self.make_user: Callable[[], Principal]
        self.own: Callable[[UserId, str, str], None]
        self.disable: Callable[[UserId], None]
        self.pass_time: Callable[[float], None]

    def token(self, user: Principal, *scopes: Scope) -> str:
        return self.tokens.issue(user.user_id, "laptop", DAY, scopes or USER_SCOPES)[0]


@pytest.fixture(params=["postgresql", "memory"])
def harness(request: pytest.FixtureRequest) -> Iterator[DirectoryHarness]:
    if request.param == "memory":
        yield in_memory()
        return
    engine = make_engine(request.getfixturevalue("database_url"))
    harness = DirectoryHarness(PostgresDirectory(engine), PostgresTokenStore(engine))

    def execute(statement: str, **values: object) -> None:
        with engine.begin() as connection:
            connection.execute(text(statement), values)

    def make_user() -> Principal:
        user = factories.principal()
        with engine.begin() as connection:
            connection.execute(insert(User).values(id=user.user_id, label="user", owner_key=user.owner_key))
        return user

    def own(user_id: UserId, account: str, tag: str) -> None:
        with engine.begin() as connection:
            connection.execute(insert(Account).values(user_id=user_id, id=account, name="an account"))
            connection.execute(insert(Tag).values(user_id=user_id, id=tag, name="a tag"))

    harness.make_user, harness.own = make_user, own
    harness.disable = lambda user_id: execute("UPDATE users SET disabled_at = now() WHERE id = :id", id=user_id)
    harness.pass_time = lambda seconds: execute(
        "UPDATE api_tokens SET expires_at = expires_at - make_interval(secs => :s)", s=seconds
    )
    yield harness
    engine.dispose()


def in_memory() -> DirectoryHarness:
    directory = FakeDirectory()
    tokens = FakeTokenStore(directory)
    harness = DirectoryHarness(directory, tokens)

    def make_user() -> Principal:
        user = factories.principal()
        directory.users[user.user_id] = user.owner_key
        return user

    def own(user_id: UserId, account: str, tag: str) -> None:
        directory.accounts.setdefault(user_id, set()).add(account)
        directory.tags.setdefault(user_id, set()).add(tag)

    harness.make_user, harness.own = make_user, own
    harness.disable, harness.pass_time = directory.disabled.add, tokens.pass_time
    return harness


def test_a_token_stands_for_its_user_and_its_scopes(harness: DirectoryHarness) -> None:
    user = harness.make_user()
    secret = harness.token(user, Scope.DATASETS_READ, Scope.ADMIN)

    found = harness.directory.authenticate(secret)
    assert found == Principal(user.user_id, user.owner_key, frozenset({Scope.DATASETS_READ, Scope.ADMIN}))


def test_what_was_never_issued_stands_for_nobody(harness: DirectoryHarness) -> None:
    secret = harness.token(harness.make_user())

    for other in ("", "aex_", secret[:-1], secret + "0", secret.upper(), "Ünïcode", "\ud800"):
        assert harness.directory.authenticate(other) is None


def test_a_token_ends(harness: DirectoryHarness) -> None:
    secret = harness.token(harness.make_user())
    harness.pass_time(DAY.total_seconds())

    assert harness.directory.authenticate(secret) is None


def test_a_revoked_token_is_refused_at_once_and_others_are_not(harness: DirectoryHarness) -> None:
    user = harness.make_user()
    kept = harness.token(user)
    secret, token = harness.tokens.issue(user.user_id, "lost", DAY, USER_SCOPES)
    for _ in range(2):
        harness.tokens.revoke(token.id)

    assert harness.directory.authenticate(secret) is None
    assert harness.directory.authenticate(kept) is not None


def test_a_rotated_token_works_beside_the_new_one_for_a_while(harness: DirectoryHarness) -> None:
    user = harness.make_user()
    old, token = harness.tokens.issue(user.user_id, "laptop", DAY, {Scope.EXPORTS_READ})
    new, replaced = harness.tokens.rotate(token.id, DAY * 2, timedelta(hours=1))
    assert harness.directory.authenticate(old) == harness.directory.authenticate(new) is not None
    assert (replaced.name, replaced.scopes) == (token.name, token.scopes)

    harness.pass_time(3601)
    assert harness.directory.authenticate(old) is None
    assert harness.directory.authenticate(new) is not None


def test_rotation_never_prolongs_the_old_token(harness: DirectoryHarness) -> None:
    old, token = harness.tokens.issue(harness.make_user().user_id, "short", timedelta(minutes=1), USER_SCOPES)
    harness.tokens.rotate(token.id, DAY, DAY)
    harness.pass_time(61)

    assert harness.directory.authenticate(old) is None


def test_only_a_valid_token_can_be_rotated(harness: DirectoryHarness) -> None:
    _, token = harness.tokens.issue(harness.make_user().user_id, "laptop", DAY, USER_SCOPES)
    harness.tokens.revoke(token.id)

    for token_id in (token.id, uuid4()):
        with pytest.raises(TokenNotFound):
            harness.tokens.rotate(token_id, DAY, DAY)


def test_what_does_not_exist_cannot_be_revoked_or_given_a_token(harness: DirectoryHarness) -> None:
    with pytest.raises(TokenNotFound):
        harness.tokens.revoke(uuid4())
    with pytest.raises(UserNotFound):
        harness.tokens.issue(UserId(uuid4()), "laptop", DAY, USER_SCOPES)


def test_tokens_are_listed_newest_first_and_only_their_users(harness: DirectoryHarness) -> None:
    user = harness.make_user()
    first, second = (harness.tokens.issue(user.user_id, name, DAY, USER_SCOPES)[1] for name in ("one", "two"))
    harness.token(harness.make_user())
    harness.tokens.revoke(first.id)
    listed = harness.tokens.list_for_user(user.user_id)

    assert [token.id for token in listed] == [second.id, first.id]
    assert [token.revoked_at is None for token in listed] == [True, False]


def test_a_member_is_a_user_who_is_not_disabled(harness: DirectoryHarness) -> None:
    user = harness.make_user()
    scopes = frozenset({Scope.EXPORTS_READ})
    assert harness.directory.get_active_user(user.user_id, scopes) == Principal(user.user_id, user.owner_key, scopes)
    assert harness.directory.get_active_user(UserId(uuid4()), scopes) is None

    harness.disable(user.user_id)
    assert harness.directory.get_active_user(user.user_id, scopes) is None


def test_a_disabled_user_has_no_valid_token(harness: DirectoryHarness) -> None:
    user = harness.make_user()
    secret = harness.token(user)
    harness.disable(user.user_id)

    assert harness.directory.authenticate(secret) is None


def test_whoever_is_admitted_is_a_member(harness: DirectoryHarness) -> None:
    stranger = factories.principal()
    for _ in range(2):
        harness.directory.ensure_user(stranger)

    assert harness.directory.get_active_user(stranger.user_id, stranger.scopes) == stranger


def test_only_ids_of_the_user_are_theirs(harness: DirectoryHarness) -> None:
    user, other = harness.make_user(), harness.make_user()
    harness.own(user.user_id, "a1", "t1")
    harness.own(other.user_id, "a2", "t2")

    assert harness.directory.accounts_owned(user.user_id, ["a1", "a2", "a3", "t1"]) == {"a1"}
    assert harness.directory.tags_owned(user.user_id, ["t1", "t2", "t3", "a1"]) == {"t1"}


def test_a_profile_names_what_is_the_users_and_nothing_else(harness: DirectoryHarness) -> None:
    user, other = harness.make_user(), harness.make_user()
    for account, tag in (("a2", "t2"), ("a1", "t1"), ("a3", "t3")):
        harness.own(user.user_id, account, tag)
    harness.own(other.user_id, "a4", "t4")
    accounts = tuple(Named(each, "an account") for each in ("a1", "a2", "a3"))
    tags = tuple(Named(each, "a tag") for each in ("t1", "t2", "t3"))

    assert harness.directory.profile(user.user_id, 10) == Profile("user", accounts, tags)
    assert harness.directory.profile(user.user_id, 2) == Profile("user", accounts[:2], tags[:2])


def test_nobody_has_no_profile(harness: DirectoryHarness) -> None:
    with pytest.raises(UserNotFound):
        harness.directory.profile(UserId(uuid4()), 10)
