"""Builders of domain objects with valid defaults."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from analytics_exports.domain.access import USER_SCOPES, Principal, UserId
from analytics_exports.domain.artifact import Artifact
from analytics_exports.domain.dataset import (
    CatalogueState,
    Column,
    Dataset,
    EnumFilter,
    FilterSet,
    NumericFilter,
    Relation,
    dataset_id,
)
from analytics_exports.domain.export import ExportRequest
from analytics_exports.domain.formats import ColumnFacts, Format
from analytics_exports.domain.selection import EnumChoice, NumericRange, Selection

DAY = timedelta(hours=24)
NOW = datetime(2026, 1, 25, 12, 0, tzinfo=UTC)
DAYS = (date(2024, 1, 1), date(2024, 6, 30), date(2025, 1, 1))
NO_DATABASE = "postgresql://nobody@127.0.0.1:9/none"
"""URL of a database that nothing listens for."""


def principal(user_id: UUID | None = None, **changes: Any) -> Principal:
    """A caller with every scope of an ordinary user."""
    user = UserId(user_id or uuid4())
    return Principal(**{"user_id": user, "owner_key": str(user), "scopes": USER_SCOPES, **changes})


def dataset(**changes: Any) -> Dataset:
    """A fact table that offers every kind of filter."""
    name = changes.pop("name", "fct_transactions")
    values: dict[str, Any] = {
        "id": dataset_id(name),
        "name": name,
        "friendly_name": "Transactions",
        "description": "One row for each transaction.",
        "group": "facts",
        "time_grain": "day",
        "relation": Relation("analytics", "main", name),
        "owner_column": "user_id",
        "columns": (
            Column("transaction_id", "UUID"),
            Column("user_id", "UUID"),
            Column("booking_date", "DATE"),
            Column("account_id", "UUID"),
            Column("tag_ids", "UUID[]"),
            Column("status", "VARCHAR"),
            Column("amount", "DECIMAL(18,2)"),
        ),
        "filters": FilterSet(
            date_column="booking_date",
            account_id_column="account_id",
            tag_id_column="tag_ids",
            enum_filters=(EnumFilter("status", "Status", ("booked", "pending")),),
            numeric_filters=(NumericFilter("amount", "Amount"),),
        ),
        "unique_key": ("transaction_id",),
    }
    return Dataset(**{**values, **changes})


def transactions_of(owner: Principal) -> list[dict[str, Any]]:
    """Three rows of the default dataset, one for each of ``DAYS``."""
    return [
        {
            "transaction_id": UUID(int=number),
            "user_id": UUID(owner.owner_key),
            "booking_date": day,
            "account_id": UUID(int=7),
            "tag_ids": [UUID(int=8)],
            "status": "booked",
            "amount": Decimal("0.25") * number,
        }
        for number, day in enumerate(DAYS)
    ]


def catalogue_state(*datasets: Dataset) -> CatalogueState:
    """A catalogue of these datasets, or of the default one."""
    offered = datasets or (dataset(),)
    return CatalogueState(
        datasets={item.id: item for item in offered}, rejected=(), generated_at=NOW, invocation_id="invocation"
    )


def selection(**changes: Any) -> Selection:
    """A selection that uses every filter."""
    values: dict[str, Any] = {
        "start_date": date(2024, 1, 1),
        "end_date": date(2024, 12, 31),
        "account_ids": ("a1",),
        "tag_ids": ("t1", "t2"),
        "enum_filters": (EnumChoice("status", ("booked",)),),
        "numeric_filters": (NumericRange("amount", Decimal("-1.50"), Decimal("99999999999999.99")),),
        "columns": ("booking_date", "amount"),
    }
    return Selection(**{**values, **changes})


def request(**changes: Any) -> ExportRequest:
    """A CSV export of the default dataset."""
    values: dict[str, Any] = {
        "dataset_id": dataset_id("fct_transactions"),
        "dataset_name": "fct_transactions",
        "format": Format.CSV,
        "selection": selection(),
        "options": {"header": True},
    }
    return ExportRequest(**{**values, **changes})


def artifact(**changes: Any) -> Artifact:
    """The facts of a small file."""
    values: dict[str, Any] = {
        "output_path": "exports/user/job.csv",
        "row_count": 2,
        "file_size_bytes": 20,
        "sha256": "ab" * 32,
        "columns": (ColumnFacts(Column("booking_date", "DATE"), 0),),
        "data_as_of": NOW,
    }
    return Artifact(**{**values, **changes})
