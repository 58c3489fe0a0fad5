"""The demonstration's source data: invented, seeded, the same on every run and every machine.

``python demo/generate.py FOLDER`` writes ``users``, ``accounts``, ``tags`` and ``transactions`` as Parquet files. The
households differ in size by four orders of magnitude, and the text holds what breaks careless exports: quotes, commas,
newlines, formulas, other scripts, and empty strings beside NULLs. What is computed from the data belongs to the dbt
models, not here.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid5

import pyarrow as pa
import pyarrow.parquet as pq

SEED = 20251231
FIRST_DAY, LAST_DAY = date(2023, 1, 1), date(2025, 12, 31)


@dataclass(frozen=True, slots=True)
class User:
    """A household, and how much of each kind it has."""

    id: UUID
    label: str
    transactions: int
    accounts: int
    tags: int


USERS = (
    User(UUID("11111111-1111-4111-8111-111111111111"), "Demo household 1", transactions=140_000, accounts=6, tags=14),
    User(UUID("22222222-2222-4222-8222-222222222222"), "Demo household 2", transactions=45_000, accounts=4, tags=10),
    User(UUID("33333333-3333-4333-8333-333333333333"), "Demo household 3", transactions=14_488, accounts=3, tags=6),
    User(UUID("44444444-4444-4444-8444-444444444444"), "Demo household 4", transactions=500, accounts=3, tags=3),
    User(UUID("55555555-5555-4555-8555-555555555555"), "Demo household 5", transactions=12, accounts=1, tags=0),
)
"""Most rows belong to the first; the last has a dozen, and no tag at all. Together they have 200,000 transactions."""

ACCOUNTS = (
    ("Everyday account", "current", "EUR"),
    ("Savings", "savings", "EUR"),
    ("Credit card, gold", "card", "USD"),
    ('"Holiday" fund', "savings", "GBP"),
    ("旅行用口座", "current", "JPY"),
    ("Réserve d'été", "savings", "CHF"),
)
"""Name, kind and currency; a household has the first few of them, so that names repeat between households."""

TAGS = (
    *("Groceries", "Rent", "Eating out", "Travel", "Children", "Café & thé", "Health", "Books", "Pets", "Gifts"),
    *("=Formula", "Tax, deductible", "Überweisung", "日用品"),
)
"""A household has the first few of these as well."""

KINDS = {"card": 60, "transfer": 20, "direct_debit": 12, "cash": 5, "salary": 2, "fee": 1}
STATUSES = {"booked": 96, "pending": 3, "reversed": 1}
FEES = {None: 80, Decimal("0.00"): 10, Decimal("0.35"): 5, Decimal("1.50"): 5}
CATEGORIES = {"food": 35, "home": 15, "transport": 15, "leisure": 15, "health": 8, "": 2, None: 10}
MERCHANTS = {
    "Corner Bakery": 30,
    "Harbour Market": 25,
    "Bäckerei am Platz": 10,
    "Books, Maps & More": 10,
    'The "Blue" Bicycle': 5,
    "東京書店": 5,
    "Кафе «Север»": 5,
    "مقهى المدينة": 3,
    "": 2,
    None: 5,
}
ODD_TEXTS = (
    None,
    "",
    " ",
    "NULL",
    '=HYPERLINK("https://example.com","open")',
    "+1 bonus",
    "-5 % off",
    "@home delivery",
    "\tindented",
    "\uff1d1+1",
    'She said "no, thanks", and left',
    "one\ntwo",
    "one\r\ntwo, three",
    "semicolon; pipe | backslash \\",
    "cafe\u0301 = café",
    "🧾 receipt 🙂",
    "x') OR ('1'='1",
    " spaces around ",
)
"""Descriptions that an exporter has to carry unchanged."""

LARGEST = Decimal("90071992547409.93")
"""More cents than a double can count: the smallest household has it, to show whether an amount ever became a float."""

TRANSACTION = pa.schema(
    {
        "id": pa.string(),
        "user_id": pa.string(),
        "account_id": pa.string(),
        "booked_at": pa.timestamp("us", "UTC"),
        "booking_date": pa.date32(),
        "value_date": pa.date32(),
        "amount": pa.decimal128(18, 2),
        "fee": pa.decimal128(18, 2),
        "currency": pa.string(),
        "kind": pa.string(),
        "status": pa.string(),
        "category": pa.string(),
        "merchant": pa.string(),
        "description": pa.string(),
        "tag_ids": pa.list_(pa.string()),
    }
)


def accounts() -> list[dict[str, Any]]:
    """Every account: id and user_id (UUID), name, kind, currency, opened_on, closed_on."""
    return [
        {
            "id": uuid5(user.id, f"account {number}"),
            "user_id": user.id,
            "name": name,
            "kind": kind,
            "currency": currency,
            "opened_on": FIRST_DAY - timedelta(days=100 * (number + 1)),
            "closed_on": LAST_DAY if number == len(ACCOUNTS) - 1 else None,
        }
        for user in USERS
        for number, (name, kind, currency) in enumerate(ACCOUNTS[: user.accounts])
    ]


def tags() -> list[dict[str, Any]]:
    """Every tag: id and user_id (UUID), name, colour."""
    return [
        {
            "id": uuid5(user.id, f"tag {number}"),
            "user_id": user.id,
            "name": name,
            "colour": f"#{(number * 997_331) % 0xFFFFFF:06x}" if number % 3 else None,
        }
        for user in USERS
        for number, name in enumerate(TAGS[: user.tags])
    ]


def transactions(users: Iterable[User] = USERS) -> pa.Table:
    """Every transaction, the households mixed as a source system would have them. Ids are 32 hexadecimal digits."""
    return pa.concat_tables([_transactions(user) for user in users]).sort_by("id")


def _transactions(user: User) -> pa.Table:
    rng, rows = Random(f"{SEED} {user.label}"), user.transactions
    # A household's last account has no transactions, unless it is the only one.
    mine = [account for account in accounts() if account["user_id"] == user.id]
    used = rng.choices(mine[:-1] or mine, k=rows)
    booked_at = _moments(rng, rows)
    kinds, statuses, merchants = (_picks(rng, weights, rows) for weights in (KINDS, STATUSES, MERCHANTS))
    days_to_value = rng.choices(range(3), k=rows)
    columns = {
        "id": [rng.randbytes(16).hex() for _ in range(rows)],
        "user_id": [str(user.id)] * rows,
        "account_id": [str(account["id"]) for account in used],
        "booked_at": booked_at,
        "booking_date": [moment.date() for moment in booked_at],
        "value_date": [
            None if status == "pending" else moment.date() + timedelta(days=days)
            for status, moment, days in zip(statuses, booked_at, days_to_value, strict=True)
        ],
        "amount": _amounts(rng, user, kinds),
        "fee": _picks(rng, FEES, rows),
        "currency": [
            "USD" if abroad else account["currency"]
            for account, abroad in zip(used, _picks(rng, {False: 19, True: 1}, rows), strict=True)
        ],
        "kind": kinds,
        "status": statuses,
        "category": _picks(rng, CATEGORIES, rows),
        "merchant": merchants,
        "description": _descriptions(rng, kinds, merchants),
        "tag_ids": _tag_lists(rng, user, rows),
    }
    return pa.table(columns, schema=TRANSACTION)


def _picks(rng: Random, weights: Mapping[Any, int], rows: int) -> list[Any]:
    return rng.choices(list(weights), list(weights.values()), k=rows)


def _moments(rng: Random, rows: int) -> list[datetime]:
    start = datetime.combine(FIRST_DAY, datetime.min.time(), UTC)
    seconds = ((LAST_DAY - FIRST_DAY).days + 1) * 86_400
    return [start + timedelta(seconds=second) for second in rng.choices(range(seconds), k=rows)]


def _amounts(rng: Random, user: User, kinds: list[str]) -> list[Decimal]:
    """From 1.00 to 311.00, most of them small; a salary is positive and twenty times that."""
    draws = [rng.random() for _ in kinds]
    cents = [100 + int(31_000 * draw * draw * draw) for draw in draws]  # products, as powers differ between machines
    amounts = [Decimal(20 * c if kind == "salary" else -c).scaleb(-2) for c, kind in zip(cents, kinds, strict=True)]
    return [LARGEST, *amounts[1:]] if user is USERS[-1] else amounts


def _descriptions(rng: Random, kinds: list[str], merchants: list[str | None]) -> list[str | None]:
    """An ordinary text for most, and one of the odd ones for one in fifty."""
    odd = rng.choices((*ODD_TEXTS, *["ordinary"] * (49 * len(ODD_TEXTS))), k=len(kinds))
    return [
        f"{kind} {number:06d} {merchant or ''}".rstrip() if text == "ordinary" else text
        for number, (kind, merchant, text) in enumerate(zip(kinds, merchants, odd, strict=True))
    ]


def _tag_lists(rng: Random, user: User, rows: int) -> pa.Array:
    """Up to three tags a transaction; an empty list where they were removed, NULL where there never was one."""
    mine = [str(tag["id"]) for tag in tags() if tag["user_id"] == user.id]
    some = [rng.sample(mine, rng.randint(1, 3)) for _ in range(20)] if mine else []
    pool = pa.array([None, [], *some], pa.list_(pa.string()))
    return pool.take(pa.array(rng.choices(range(len(pool)), k=rows)))


def write(folder: Path) -> None:
    """Write the four files below ``folder``, which is made when missing; ids become text."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {
        "users": _table([{"id": user.id, "label": user.label} for user in USERS]),
        "accounts": _table(accounts()),
        "tags": _table(tags()),
        "transactions": transactions(),
    }
    for name, table in tables.items():
        pq.write_table(table, folder / f"{name}.parquet")


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    texts = [{key: str(value) if isinstance(value, UUID) else value for key, value in row.items()} for row in rows]
    return pa.Table.from_pylist(texts)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
