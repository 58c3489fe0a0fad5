"""What every UserStore must do: run on PostgreSQL and on the one in memory."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from analytics_exports.database.engine import make_engine
from analytics_exports.database.users import PostgresUserStore
from analytics_exports.domain.access import UserId
from analytics_exports.domain.errors import UserNotFound
from analytics_exports.ports import UserExists, UserStore
from analytics_exports_tests.fakes.directory import FakeUserStore


@pytest.fixture(params=["postgresql", "memory"])
def users(request: pytest.FixtureRequest) -> Iterator[UserStore]:
    if request.param == "memory":
        yield FakeUserStore()
        return
    engine = make_engine(request.getfixturevalue("database_url"))
    yield PostgresUserStore(engine)
    engine.dispose()


def test_a_user_is_found_by_id_owner_key_and_label(users: UserStore) -> None:
    user = users.add("Alice", "alice-7")

    assert (user.label, user.owner_key, user.disabled_at) == ("Alice", "alice-7", None)
    for who in (str(user.id), "alice-7", "Alice"):
        assert users.find(who) == user


def test_the_owner_key_is_the_id_unless_another_is_given(users: UserStore) -> None:
    user_id = uuid4()

    assert users.add("Alice", user_id=user_id).owner_key == str(user_id)


def test_users_are_listed_by_label(users: UserStore) -> None:
    for label in ("Bob", "Alice", "Alice"):
        users.add(label)

    assert [user.label for user in users.all()] == ["Alice", "Alice", "Bob"]


def test_who_is_not_there_or_not_alone_is_not_found(users: UserStore) -> None:
    for label in ("Alice", "Alice"):
        users.add(label)
    for who in ("Alice", "Bob", str(uuid4())):
        with pytest.raises(UserNotFound, match="take the id"):
            users.find(who)


def test_an_id_and_an_owner_key_belong_to_one_user(users: UserStore) -> None:
    user = users.add("Alice", "a")
    with pytest.raises(UserExists):
        users.add("Bob", "a")
    with pytest.raises(UserExists):
        users.add("Bob", user_id=user.id)

    assert [each.label for each in users.all()] == ["Alice"]


def test_a_user_is_disabled_and_enabled(users: UserStore) -> None:
    user = users.add("Alice")
    users.disable(user.id)
    disabled = users.find("Alice")
    users.disable(user.id)

    assert disabled.disabled_at is not None
    assert users.find("Alice") == disabled
    users.enable(user.id)
    assert users.find("Alice") == user


def test_nobody_is_disabled_who_is_not_there(users: UserStore) -> None:
    for change in (users.disable, users.enable):
        with pytest.raises(UserNotFound):
            change(UserId(uuid4()))
