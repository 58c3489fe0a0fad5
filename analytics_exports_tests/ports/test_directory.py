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


class World:
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
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    if request.param == "memory":
        yield in_memory()
        return
    engine = make_engine(request.getfixturevalue("database_url"))
    world = World(PostgresDirectory(engine), PostgresTokenStore(engine))

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

    world.make_user, world.own = make_user, own
    world.disable = lambda user_id: execute("UPDATE users SET disabled_at = now() WHERE id = :id", id=user_id)
    world.pass_time = lambda seconds: execute(
        "UPDATE api_tokens SET expires_at = expires_at - make_interval(secs => :s)", s=seconds
    )
    yield world
    engine.dispose()


def in_memory() -> World:
    directory = FakeDirectory()
    tokens = FakeTokenStore(directory)
    world = World(directory, tokens)

    def make_user() -> Principal:
        user = factories.principal()
        directory.users[user.user_id] = user.owner_key
        return user

    def own(user_id: UserId, account: str, tag: str) -> None:
        directory.accounts.setdefault(user_id, set()).add(account)
        directory.tags.setdefault(user_id, set()).add(tag)

    world.make_user, world.own = make_user, own
    world.disable, world.pass_time = directory.disabled.add, tokens.pass_time
    return world


def test_a_token_stands_for_its_user_and_its_scopes(world: World) -> None:
    user = world.make_user()
    secret = world.token(user, Scope.DATASETS_READ, Scope.ADMIN)

    found = world.directory.authenticate(secret)
    assert found == Principal(user.user_id, user.owner_key, frozenset({Scope.DATASETS_READ, Scope.ADMIN}))


def test_what_was_never_issued_stands_for_nobody(world: World) -> None:
    secret = world.token(world.make_user())

    for other in ("", "aex_", secret[:-1], secret + "0", secret.upper(), "Ünïcode", "\ud800"):
        assert world.directory.authenticate(other) is None


def test_a_token_ends(world: World) -> None:
    secret = world.token(world.make_user())
    world.pass_time(DAY.total_seconds())

    assert world.directory.authenticate(secret) is None


def test_a_revoked_token_is_refused_at_once_and_others_are_not(world: World) -> None:
    user = world.make_user()
    kept = world.token(user)
    secret, token = world.tokens.issue(user.user_id, "lost", DAY, USER_SCOPES)
    for _ in range(2):
        world.tokens.revoke(token.id)

    assert world.directory.authenticate(secret) is None
    assert world.directory.authenticate(kept) is not None


def test_a_rotated_token_works_beside_the_new_one_for_a_while(world: World) -> None:
    user = world.make_user()
    old, token = world.tokens.issue(user.user_id, "laptop", DAY, {Scope.EXPORTS_READ})
    new, replaced = world.tokens.rotate(token.id, DAY * 2, timedelta(hours=1))
    assert world.directory.authenticate(old) == world.directory.authenticate(new) is not None
    assert (replaced.name, replaced.scopes) == (token.name, token.scopes)

    world.pass_time(3601)
    assert world.directory.authenticate(old) is None
    assert world.directory.authenticate(new) is not None


def test_rotation_never_prolongs_the_old_token(world: World) -> None:
    old, token = world.tokens.issue(world.make_user().user_id, "short", timedelta(minutes=1), USER_SCOPES)
    world.tokens.rotate(token.id, DAY, DAY)
    world.pass_time(61)

    assert world.directory.authenticate(old) is None


def test_only_a_valid_token_can_be_rotated(world: World) -> None:
    _, token = world.tokens.issue(world.make_user().user_id, "laptop", DAY, USER_SCOPES)
    world.tokens.revoke(token.id)

    for token_id in (token.id, uuid4()):
        with pytest.raises(TokenNotFound):
            world.tokens.rotate(token_id, DAY, DAY)


def test_what_does_not_exist_cannot_be_revoked_or_given_a_token(world: World) -> None:
    with pytest.raises(TokenNotFound):
        world.tokens.revoke(uuid4())
    with pytest.raises(UserNotFound):
        world.tokens.issue(UserId(uuid4()), "laptop", DAY, USER_SCOPES)


def test_tokens_are_listed_newest_first_and_only_their_users(world: World) -> None:
    user = world.make_user()
    first, second = (world.tokens.issue(user.user_id, name, DAY, USER_SCOPES)[1] for name in ("one", "two"))
    world.token(world.make_user())
    world.tokens.revoke(first.id)
    listed = world.tokens.list_for_user(user.user_id)

    assert [token.id for token in listed] == [second.id, first.id]
    assert [token.revoked_at is None for token in listed] == [True, False]


def test_a_member_is_a_user_who_is_not_disabled(world: World) -> None:
    user = world.make_user()
    scopes = frozenset({Scope.EXPORTS_READ})
    assert world.directory.get_active_user(user.user_id, scopes) == Principal(user.user_id, user.owner_key, scopes)
    assert world.directory.get_active_user(UserId(uuid4()), scopes) is None

    world.disable(user.user_id)
    assert world.directory.get_active_user(user.user_id, scopes) is None


def test_a_disabled_user_has_no_valid_token(world: World) -> None:
    user = world.make_user()
    secret = world.token(user)
    world.disable(user.user_id)

    assert world.directory.authenticate(secret) is None


def test_whoever_is_admitted_is_a_member(world: World) -> None:
    stranger = factories.principal()
    for _ in range(2):
        world.directory.ensure_user(stranger)

    assert world.directory.get_active_user(stranger.user_id, stranger.scopes) == stranger


def test_only_ids_of_the_user_are_theirs(world: World) -> None:
    user, other = world.make_user(), world.make_user()
    world.own(user.user_id, "a1", "t1")
    world.own(other.user_id, "a2", "t2")

    assert world.directory.accounts_owned(user.user_id, ["a1", "a2", "a3", "t1"]) == {"a1"}
    assert world.directory.tags_owned(user.user_id, ["t1", "t2", "t3", "a1"]) == {"t1"}


def test_a_profile_names_what_is_the_users_and_nothing_else(world: World) -> None:
    user, other = world.make_user(), world.make_user()
    for account, tag in (("a2", "t2"), ("a1", "t1"), ("a3", "t3")):
        world.own(user.user_id, account, tag)
    world.own(other.user_id, "a4", "t4")
    accounts = tuple(Named(each, "an account") for each in ("a1", "a2", "a3"))
    tags = tuple(Named(each, "a tag") for each in ("t1", "t2", "t3"))

    assert world.directory.profile(user.user_id, 10) == Profile("user", accounts, tags)
    assert world.directory.profile(user.user_id, 2) == Profile("user", accounts[:2], tags[:2])


def test_nobody_has_no_profile(world: World) -> None:
    with pytest.raises(UserNotFound):
        world.directory.profile(UserId(uuid4()), 10)
