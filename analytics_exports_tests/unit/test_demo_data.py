"""The demonstration's source data: the same every time, consistent in itself, and odd where it is meant to be."""

import json
from collections import Counter
from collections.abc import Callable
from hashlib import sha256
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.generate import ACCOUNTS, FIRST_DAY, LARGEST, LAST_DAY, ODD_TEXTS, TAGS, USERS, User, accounts, tags
from demo.generate import transactions as generate


def rows(*users: User) -> list[dict[str, Any]]:
    """The transactions of these households."""
    result: list[dict[str, Any]] = generate(users).to_pylist()
    return result


def test_the_data_is_the_same_on_every_machine_and_in_every_process() -> None:
    """The digest was taken once: whoever changes the data on purpose changes it here."""
    text = json.dumps(rows(*USERS[3:]), default=str)
    assert sha256(text.encode()).hexdigest()[:16] == "c09e8b592bf5ce78"


def test_the_households_differ_by_orders_of_magnitude() -> None:
    sizes = [user.transactions for user in USERS]
    assert sum(sizes) == 200_000
    assert sizes[0] > sum(sizes) / 2
    assert sizes[-1] < 20


@pytest.mark.parametrize(("kind", "counts"), [(accounts, [6, 4, 3, 3, 1]), (tags, [14, 10, 6, 3, 0])])
def test_accounts_and_tags_have_ids_of_their_own_and_names_that_repeat(
    kind: Callable[[], list[dict[str, Any]]], counts: list[int]
) -> None:
    found = kind()
    owners = Counter(row["user_id"] for row in found)
    assert [owners[user.id] for user in USERS] == counts
    assert len({row["id"] for row in found}) == len(found)
    assert all(isinstance(row["id"], UUID) for row in found)
    assert len({row["name"] for row in found}) == max(counts)


@settings(max_examples=30)
@given(st.sampled_from(USERS), st.integers(1, 60))
def test_every_transaction_belongs_to_its_household(owner: User, size: int) -> None:
    household = User(owner.id, owner.label, transactions=size, accounts=owner.accounts, tags=owner.tags)
    mine = {str(row["id"]) for row in (*accounts(), *tags()) if row["user_id"] == owner.id}
    found = rows(household)
    assert len({row["id"] for row in found}) == size
    for row in found:
        assert row["user_id"] == str(owner.id)
        assert {row["account_id"], *(row["tag_ids"] or ())} <= mine
        assert row["booking_date"] == row["booked_at"].date()
        assert FIRST_DAY <= row["booking_date"] <= LAST_DAY
        assert (row["value_date"] is None) == (row["status"] == "pending")


def test_an_account_can_have_no_transactions() -> None:
    household = USERS[3]
    mine = {str(account["id"]) for account in accounts() if account["user_id"] == household.id}
    assert len(mine - {row["account_id"] for row in rows(household)}) == 1


def test_the_largest_amount_would_not_survive_a_float() -> None:
    assert LARGEST in {row["amount"] for row in rows(USERS[-1])}
    assert int(float(LARGEST * 100)) != LARGEST * 100


def test_empty_and_missing_are_both_there() -> None:
    found = rows(*USERS[2:])
    for column in ("description", "merchant", "category"):
        assert {None, ""} <= {row[column] for row in found}
    assert {0, 1, 2, 3, None} == {None if row["tag_ids"] is None else len(row["tag_ids"]) for row in found}
    assert {row["tag_ids"] is None for row in rows(USERS[-1])} == {True, False}


def test_every_odd_text_is_there() -> None:
    assert set(ODD_TEXTS) <= {row["description"] for row in rows(USERS[2])}
    assert {text[:1] for text in ODD_TEXTS if text} >= set("=+-@\t ")
    assert any("\n" in text and "," in text for text in ODD_TEXTS if text)
    assert any(name.startswith("=") for name in TAGS)
    assert any('"' in name for name, *_ in ACCOUNTS)
