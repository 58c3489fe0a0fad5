"""The tables. The meaning of each column is documented here; migrations in ``alembic/`` create them.

Rules that every writer must obey (legal transitions, immutable owner, what a completed row must contain) are enforced
by constraints and a trigger in the database, defined in the migrations.
"""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, MetaData, Text, func, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}
"""Constraint names that do not depend on the order in which they are created."""


class Base(DeclarativeBase):
    """All tables of the service."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map = {  # noqa: RUF012 - the name and form are SQLAlchemy's
        int: BigInteger,
        str: Text,
        bytes: BYTEA,
        datetime: TIMESTAMP(timezone=True),
        list[str]: ARRAY(Text),
        dict[str, Any]: JSONB,
    }


class User(Base):
    """A user. ``owner_key`` is their value in the owner column of the warehouse."""

    __tablename__ = "users"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    label: Mapped[str]
    owner_key: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    disabled_at: Mapped[datetime | None]


class ApiToken(Base):
    """A bearer token. Only the SHA-256 digest of the secret is stored."""

    __tablename__ = "api_tokens"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str]
    digest: Mapped[bytes] = mapped_column(unique=True)
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]


class Account(Base):
    """An account that a user may filter by; ``id`` as in the warehouse, as text."""

    __tablename__ = "accounts"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


class Tag(Base):
    """A tag that a user may filter by; ``id`` as in the warehouse, as text."""

    __tablename__ = "tags"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]


class Job(Base):
    """One export. ``details`` is the JSONB column ``metadata``: the request, and the facts of the file.

    ``launches`` counts how often it was leased to be launched, ``attempt`` how often a worker claimed it, ``losses``
    how many attempts ended by causes that are not transient. ``turn`` is its place in the fair queue (see ``queue``).
    ``failing_since`` is when the first of its attempts failed. ``file_bytes`` repeats the size in ``metadata`` for an
    index; a trigger fills it.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        CheckConstraint("job_type = 'export'", name="job_type"),
        CheckConstraint("entity_type = 'dataset'", name="entity_type"),
        CheckConstraint(
            "status IN ('pending', 'running', 'completed', 'failed', 'cancelled', 'expired')", name="status"
        ),
        CheckConstraint(
            "(status IN ('completed', 'failed', 'cancelled', 'expired')) = (completed_at IS NOT NULL)", name="ended"
        ),
        CheckConstraint(
            "status NOT IN ('completed', 'expired')"
            " OR (expires_at IS NOT NULL AND metadata ?& ARRAY['output_path', 'row_count', 'sha256'])",
            name="file",
        ),
        CheckConstraint("status <> 'running' OR (worker_token IS NOT NULL AND lease_until IS NOT NULL)", name="lease"),
        Index("ix_jobs_leases", "lease_until", postgresql_where=text("status = 'running'")),
        Index(
            "ix_jobs_expiry",
            "expires_at",
            postgresql_include=["file_bytes"],
            postgresql_where=text("status = 'completed'"),
        ),
        Index("ix_jobs_files", "id", postgresql_where=text("status = 'expired' AND file_removed_at IS NULL")),
        Index("ix_jobs_runs", "dagster_run_id", postgresql_where=text("status = 'running'")),
        Index("ix_jobs_history", "user_id", text("created_at DESC"), text("id DESC")),
        Index("ix_jobs_live", "user_id", postgresql_where=text("status IN ('pending', 'running')")),
        Index("ix_jobs_queue", "turn", "created_at", "id", postgresql_where=text("status = 'pending'")),
        Index("ix_jobs_begun", "turn", postgresql_where=text("started_at IS NOT NULL")),
        Index(
            "ix_jobs_turns",
            "user_id",
            "turn",
            postgresql_where=text("started_at IS NOT NULL OR status = 'pending'"),
        ),
        Index(
            "uq_jobs_idempotency_key",
            "user_id",
            "idempotency_key",
            unique=True,
            postgresql_where=text("idempotency_key IS NOT NULL"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=func.gen_random_uuid())
    user_id: Mapped[UUID] = mapped_column(ForeignKey("users.id"))
    owner_key: Mapped[str]
    job_type: Mapped[str] = mapped_column(server_default="export")
    status: Mapped[str] = mapped_column(server_default="pending")
    entity_type: Mapped[str] = mapped_column(server_default="dataset")
    entity_id: Mapped[UUID]
    details: Mapped[dict[str, Any]] = mapped_column("metadata")
    dagster_run_id: Mapped[str | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    retryable: Mapped[bool | None]
    attempt: Mapped[int] = mapped_column(server_default="0")
    launches: Mapped[int] = mapped_column(server_default="0")
    losses: Mapped[int] = mapped_column(server_default="0")
    turn: Mapped[int] = mapped_column(server_default="0")
    launch_after: Mapped[datetime] = mapped_column(server_default=func.now())
    failing_since: Mapped[datetime | None]
    worker_token: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())
    started_at: Mapped[datetime | None]
    completed_at: Mapped[datetime | None]
    updated_at: Mapped[datetime] = mapped_column(server_default=func.now())
    expires_at: Mapped[datetime | None]
    file_removed_at: Mapped[datetime | None]
    file_bytes: Mapped[int | None]
    idempotency_key: Mapped[bytes | None]
    request_digest: Mapped[bytes | None]


class JobEvent(Base):
    """The audit trail: one row for each change of a job's status, written by a trigger, immutable by another.

    ``actor`` is ``owner``, ``operator`` (acting for an owner), ``worker``, ``dagster`` (its event log), or the process
    that made the change; ``actor_id`` is the id of the user or the run.
    """

    __tablename__ = "job_events"

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(server_default=func.clock_timestamp())
    actor: Mapped[str]
    actor_id: Mapped[str | None]
    from_status: Mapped[str | None]
    to_status: Mapped[str]
    attempt: Mapped[int]
    reason: Mapped[str | None]


class Download(Base):
    """A transfer of an export's file, or of a part of it, recorded when it began."""

    __tablename__ = "downloads"

    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[UUID] = mapped_column(ForeignKey("jobs.id", ondelete="CASCADE"), index=True)
    at: Mapped[datetime] = mapped_column(server_default=func.now())
    by_link: Mapped[bool]
    first_byte: Mapped[int]
    byte_count: Mapped[int]


class Secret(Base):
    """A random secret that all replicas of the API share. A deleted secret is created anew at the next start."""

    __tablename__ = "secrets"

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Cursor(Base):
    """How far a reader of Dagster's event log has read."""

    __tablename__ = "cursors"

    name: Mapped[str] = mapped_column(primary_key=True)
    position: Mapped[int]


class SkippedEvent(Base):
    """An event of Dagster's log, by its position, that could not be applied; it is retried after a while."""

    __tablename__ = "skipped_events"

    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    reason: Mapped[str]
    tries: Mapped[int] = mapped_column(server_default="1")
    since: Mapped[datetime] = mapped_column(server_default=func.now())
    try_after: Mapped[datetime] = mapped_column(index=True)
