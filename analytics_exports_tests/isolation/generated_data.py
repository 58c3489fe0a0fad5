"""Random examples: a small table that several owners share, a caller, and what the caller asks for.

What makes an example worth running is that the values are near misses of each other: other spellings, longer and
shorter texts, patterns that match, injected SQL, neighbouring days and numbers, NULL and the empty text.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cached_property
from random import Random
from typing import Any
from uuid import UUID

from hypothesis import strategies as st

from analytics_exports.domain.access import OwnerScope
from analytics_exports.domain.dataset import (
    Column,
    Dataset,
    EnumFilter,
    FilterSet,
    NumericFilter,
    Relation,
    dataset_id,
)
from analytics_exports.domain.selection import EnumChoice, NumericRange, Selection

Row = Mapping[str, object]

TEXTS = (
    "Zo\u00eb",  # composed
    "Zoe\u0308",  # decomposed
    "ZO\u00cb",
    "zo\u00eb",
    "Zoe",
    "Zo\u00eb ",
    " Zo\u00eb",
    "Zo",
    "Zo\u00ebb",
    "Zo_",
    "Z%",
    "\uff3ao\u00eb",  # full width
    "Zo\u00eb' OR '1'='1",
    "",
)
UUIDS = tuple(
    UUID(text)
    for text in (
        "0a000000-0000-4000-8000-00000000000a",
        "0a000000-0000-4000-8000-00000000000b",
        "0b000000-0000-4000-8000-00000000000a",
        "00000000-0000-0000-0000-000000000000",
    )
)
MISSPELT_UUIDS = ("0A000000-0000-4000-8000-00000000000A", "0a00000000004000800000000000000a", "", "%")
NUMBERS = (7, 70, -7, 0, 77, 2**31 - 1)
MISSPELT_NUMBERS = ("07", "7.0", "7.4", " 7", "+7", "-0", "7e0", "99999999999999999999", "\u0667", "")
STATUSES = ("booked", "pending", "x' OR '1'='1")
DAYS = (date(2024, 1, 30), date(2024, 1, 31), date(2024, 2, 1), date(2024, 2, 2))
MOMENTS = tuple(
    datetime.fromisoformat(text)
    for text in (
        "2024-01-30T23:59:59.999999",
        "2024-01-31T00:00:00",
        "2024-01-31T12:00:00",
        "2024-01-31T23:59:59.999999",
        "2024-02-01T00:00:00",
        "1969-12-31T23:59:59.999999",
    )
)
FEW_TEXTS = ("x", "X", "x ", "")
LOW_BOUNDS = tuple(map(Decimal, ("-1E+400", "-0.01", "0", "0.001", "0.01", "0.1")))
HIGH_BOUNDS = tuple(map(Decimal, ("0.01", "0.3", "9.995", "10", "32768", "1E+400")))
CELLS: Mapping[str, tuple[object, ...]] = {
    "VARCHAR": TEXTS,
    "UUID": UUIDS,
    "BIGINT": NUMBERS,
    "INTEGER": NUMBERS,
    "SMALLINT": (-1, 0, 1, 9, 10, 11),
    "DATE": DAYS,
    "TIMESTAMP": MOMENTS,
    "TIMESTAMP WITH TIME ZONE": tuple(moment.replace(tzinfo=UTC) for moment in MOMENTS),
    "DECIMAL(6,2)": tuple(map(Decimal, ("-0.01", "0.00", "0.01", "9.99", "10.00", "9999.99"))),
    "DOUBLE": (math.nan, math.nan, math.inf, -math.inf, -0.01, 0.0, 0.1, 0.30000000000000004, 10.0),
}
"""Cells that columns of each type hold, besides NULL."""

MISSPELT: Mapping[str, tuple[str, ...]] = {
    "VARCHAR": (),
    "UUID": MISSPELT_UUIDS,
    "BIGINT": MISSPELT_NUMBERS,
    "INTEGER": MISSPELT_NUMBERS,
}
"""What a caller can send for an id of each type that must match nothing."""

FILTERED: Mapping[str, tuple[object, ...]] = {
    **CELLS,
    "VARCHAR": FEW_TEXTS,
    "BIGINT": NUMBERS[:3],
    "INTEGER": NUMBERS[:3],
}
"""Cells of the columns with filters: fewer, so that a filter often lets some rows pass."""


@dataclass(frozen=True)
class Variant:
    """One way in which a dataset can be made. ``collation`` is the one its owner column is declared with."""

    name: str
    owner: str
    day: str | None
    account: str
    tag: str
    amount: str
    unique_key: bool = True
    collation: str = ""

    @cached_property
    def dataset(self) -> Dataset:
        """The dataset, whose table is named after the variant."""
        optional = [Column("day", self.day)] if self.day else []
        return Dataset(
            id=dataset_id(self.name),
            name=self.name,
            friendly_name=self.name,
            description="",
            group=None,
            time_grain=None,
            relation=Relation("analytics", "main", self.name),
            owner_column="user_id",
            columns=(
                Column("id", "INTEGER"),
                Column("user_id", self.owner),
                *optional,
                Column("account", self.account),
                Column("tag", self.tag),
                Column("status", "VARCHAR"),
                Column("amount", self.amount),
                Column("secret", "VARCHAR"),
            ),
            filters=FilterSet(
                date_column="day" if self.day else None,
                account_id_column="account",
                tag_id_column="tag",
                enum_filters=(EnumFilter("status", "Status", STATUSES),),
                numeric_filters=(NumericFilter("amount", "Amount"),),
            ),
            unique_key=("id",) if self.unique_key else (),
        )


VARIANTS = (
    Variant("plain", "VARCHAR", "DATE", "VARCHAR", "VARCHAR[]", "DECIMAL(6,2)"),
    Variant("folded", "VARCHAR", "TIMESTAMP", "UUID", "VARCHAR", "DOUBLE", collation="NOCASE"),
    Variant("accents", "VARCHAR", None, "BIGINT", "BIGINT[]", "SMALLINT", collation="NOACCENT"),
    Variant("uuids", "UUID", "TIMESTAMP WITH TIME ZONE", "UUID", "UUID[]", "DECIMAL(6,2)"),
    Variant("numbers", "BIGINT", "DATE", "INTEGER", "BIGINT", "DOUBLE"),
    Variant("keyless", "VARCHAR", "DATE", "VARCHAR", "VARCHAR[]", "INTEGER", unique_key=False),
)


@dataclass(frozen=True)
class Example:
    """One example: a table, who asks, and for what."""

    variant: Variant
    rows: tuple[Row, ...]
    scope: OwnerScope
    selection: Selection

    @property
    def dataset(self) -> Dataset:
        """The dataset that the table is."""
        return self.variant.dataset


@st.composite
def generated_examples(draw: st.DrawFn) -> Example:
    """Any example. Every second row or so is the caller's, so that a caller has something to lose."""
    return _example(draw(RANDOM))


@st.composite
def twins(draw: st.DrawFn) -> tuple[Example, Example]:
    """Two examples that differ in nothing but the rows of others: how many, which, and where they stand."""
    random = draw(RANDOM)
    example = _example(random)
    mixed = [row for row in example.rows if _is_of(row, example.scope)]
    for number, row in enumerate(_rows(random, example.variant, example.scope), 1000):
        if not _is_of(row, example.scope):
            mixed.insert(random.randint(0, len(mixed)), _numbered(row, number))
    return example, replace(example, rows=tuple(mixed))


RANDOM = st.randoms(use_true_random=True, note_method_calls=False)
"""Hypothesis chooses only the seed of an example: its own choices would be too much alike to come near every edge."""


def simpler(example: Example) -> Iterator[Example]:
    """Examples with one row or one filter less."""
    for number in range(len(example.rows)):
        yield replace(example, rows=example.rows[:number] + example.rows[number + 1 :])
    nothing = Selection()
    for field in fields(Selection):
        without = replace(example.selection, **{field.name: getattr(nothing, field.name)})
        if without != example.selection:
            yield replace(example, selection=without)


def _example(random: Random) -> Example:
    variant = random.choice(VARIANTS)
    scope = OwnerScope(random.choice((*map(str, CELLS[variant.owner] * 3), *MISSPELT[variant.owner])))
    rows = (_numbered(row, number) for number, row in enumerate(_rows(random, variant, scope)))
    return Example(variant, tuple(rows), scope, _selection(random, variant))


def _is_of(row: Row, scope: OwnerScope) -> bool:
    return row["user_id"] is not None and str(row["user_id"]) == scope.owner_key


def _numbered(row: Row, number: int) -> Row:
    """The row with an id, and a secret that no other row has."""
    return {**row, "id": number, "secret": f"<secret {number}>"}


def _rows(random: Random, variant: Variant, scope: OwnerScope) -> list[Row]:
    own = [owner for owner in CELLS[variant.owner] if str(owner) == scope.owner_key]
    return [
        {
            "user_id": random.choice(own if own and random.random() < 0.4 else (*CELLS[variant.owner], None)),
            "account": _cell(random, variant.account),
            "tag": _cell(random, variant.tag),
            "status": random.choice((*STATUSES, "Booked", None)),
            "amount": _cell(random, variant.amount),
            **({"day": _cell(random, variant.day)} if variant.day else {}),
        }
        for _ in range(random.randint(0, 14))
    ]


def _cell(random: Random, kind: str) -> object:
    inner = kind.removesuffix("[]")
    cells = (*FILTERED[inner], None)
    if inner == kind:
        return random.choice(cells)
    return random.choices(cells, k=random.randint(0, 3)) if random.random() < 0.9 else None


def _selection(random: Random, variant: Variant) -> Selection:
    """At most two kinds of filter at once: more would leave too little to lose."""
    filters = [_accounts, _tags, _statuses, _amounts, *([_days] * 2 if variant.day else [])]
    chosen: dict[str, Any] = {}
    for choose in random.choices(filters, k=random.randint(0, 2)):
        chosen |= choose(random, variant)
    if random.random() < 0.3:
        names = [column.name for column in variant.dataset.columns if column.name != "id"]
        chosen["columns"] = ("id", *random.sample(names, random.randint(0, len(names))))
    return Selection(**chosen)


def _days(random: Random, variant: Variant) -> dict[str, Any]:
    days = sorted(random.choices((*DAYS * 3, date.min, date.max), k=2))
    ends = random.choice((("start_date", "end_date"), ("start_date",), ("end_date",)))
    return dict(zip(ends, days, strict=False))


def _accounts(random: Random, variant: Variant) -> dict[str, Any]:
    return {"account_ids": _ids(random, variant.account)}


def _tags(random: Random, variant: Variant) -> dict[str, Any]:
    return {"tag_ids": _ids(random, variant.tag.removesuffix("[]"))}


def _ids(random: Random, kind: str) -> tuple[str, ...]:
    texts = (*map(str, FILTERED[kind] * 3), *MISSPELT[kind])
    return tuple(random.choices(texts, k=random.randint(0, 3)))


def _statuses(random: Random, variant: Variant) -> dict[str, Any]:
    return {"enum_filters": (EnumChoice("status", tuple(random.sample(STATUSES, random.randint(0, 3)))),)}


def _amounts(random: Random, variant: Variant) -> dict[str, Any]:
    low, high = random.choice(LOW_BOUNDS), random.choice(HIGH_BOUNDS)
    bounds = random.choice(((low, None), (None, high), (low, high)))
    return {"numeric_filters": (NumericRange("amount", *bounds),)}
