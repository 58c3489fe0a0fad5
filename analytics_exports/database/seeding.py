"""Inserting users, their accounts and their tags from Parquet files.

The files ``users.parquet`` (id, label), ``accounts.parquet`` and ``tags.parquet`` (id, user_id, name) are in one
folder, as the demonstration project writes them. Seeding again changes nothing that exists.
"""

from pathlib import Path
from typing import Any
from uuid import UUID

import pyarrow.parquet
from sqlalchemy import Engine
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from analytics_exports.database.models import Account, Tag, User


def seed(engine: Engine, folder: Path) -> dict[str, UUID]:
    """Insert what is missing. Returns the id of each user by label."""
    users = _rows(folder / "users.parquet")
    with Session(engine) as session, session.begin():
        for user in users:
            row = {"id": UUID(str(user["id"])), "label": user["label"], "owner_key": str(user["id"])}
            session.execute(insert(User).values(row).on_conflict_do_nothing())
        for kind, name in ((Account, "accounts"), (Tag, "tags")):
            rows = [
                {"id": str(row["id"]), "user_id": UUID(str(row["user_id"])), "name": row["name"]}
                for row in _rows(folder / f"{name}.parquet")
            ]
            session.execute(insert(kind).values(rows).on_conflict_do_nothing())
    return {user["label"]: UUID(str(user["id"])) for user in users}


def _rows(file: Path) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(file).to_pylist()
    return rows
