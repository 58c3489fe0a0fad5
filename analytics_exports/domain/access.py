"""Who asks, and whose rows that allows them to see.

An OwnerScope is the only key to rows: every scan takes one, and one can be made only from an authenticated Principal or
from a stored export job. How a request is authenticated belongs to ``api`` and ``services``.
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
"""What an ordinary user's token carries unless it is narrowed."""


@dataclass(frozen=True, slots=True)
class OwnerScope:
    """The rows of one owner: those whose owner column equals ``owner_key``, compared without any conversion."""

    owner_key: str


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated caller.

    Attributes:
        user_id: The caller's id here; part of file paths and of every job row.
        owner_key: The caller's value in the warehouse's owner column; the user id as text unless set otherwise.
        scopes: What the caller's token may be used for.
        actor: In the audit trail: ``owner``, or ``operator`` for one who acts in the owner's name.
    """

    user_id: UserId
    owner_key: str
    scopes: frozenset[Scope]
    actor: str = "owner"

    def owner_scope(self) -> OwnerScope:
        """The rows this caller may see."""
        return OwnerScope(self.owner_key)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is known of an API token; its secret is not."""

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
    """An account or a tag: its id as it stands in the warehouse, as text, and what people call it."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Profile:
    """What the directory knows about a user: their label, and their accounts and tags by name."""

    label: str
    accounts: tuple[Named, ...]
    tags: tuple[Named, ...]
