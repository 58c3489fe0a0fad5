"""Who calls, and which rows that allows them to see.

An OwnerScope is required to read rows: every scan takes one, and it can be made only from an authenticated Principal or
from a stored export job. Authentication belongs to ``services.callers``.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NewType
from uuid import UUID

UserId = NewType("UserId", UUID)


class Scope(StrEnum):
    """What a token may be used for."""

    DATASETS_READ = "datasets:read"
    EXPORTS_CREATE = "exports:create"
    EXPORTS_READ = "exports:read"
    EXPORTS_DOWNLOAD = "exports:download"
    EXPORTS_CANCEL = "exports:cancel"
    ADMIN = "admin"


USER_SCOPES = frozenset(Scope) - {Scope.ADMIN}
"""The scopes of an ordinary user's token by default."""


@dataclass(frozen=True, slots=True)
class OwnerScope:
    """The rows of one owner: those whose owner column equals ``owner_key``, compared without any conversion."""

    owner_key: str


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    Attributes:
        user_id: The caller's id; part of file paths and of every job row.
        owner_key: The caller's value in the owner column of the warehouse; the user id as text by default.
        scopes: What the caller's token may be used for.
        actor: In the audit trail: ``owner``, or ``operator`` for one who acts for an owner.
    """

    user_id: UserId
    owner_key: str
    scopes: frozenset[Scope]
    actor: str = "owner"

    def owner_scope(self) -> OwnerScope:
        """The rows this caller may see."""
        return OwnerScope(self.owner_key)


@dataclass(frozen=True, slots=True)
class UserRecord:
    """A user, who owns the rows of the warehouse whose owner column equals ``owner_key``."""

    id: UserId
    label: str
    owner_key: str
    created_at: datetime
    disabled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """An API token without its secret."""

    id: UUID
    user_id: UserId
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Named:
    """An account or a tag: its id as in the warehouse, as text, and its name."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Profile:
    """A user's label, and their accounts and tags by name."""

    label: str
    accounts: tuple[Named, ...]
    tags: tuple[Named, ...]
