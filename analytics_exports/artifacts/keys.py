"""Keys of files in the store, and the file names derived from them.

A key is ``exports/{user_id}/{job_id}.{ending}``. It is parsed strictly each time, so that no key leads outside its
folder. Opening files belongs to ``local``.
"""

import re
from dataclasses import dataclass
from uuid import UUID

FOLDER = "exports"
"""The folder below the root; it contains one folder per user."""

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KEY = re.compile(rf"{FOLDER}/({_UUID})/({_UUID})\.([a-z0-9]+(?:\.[a-z0-9]+)?)")
_PUBLISHED = re.compile(rf"({_UUID})\.[a-z0-9]+(?:\.[a-z0-9]+)?")
_PARTIAL = re.compile(rf"\.({_UUID})\.([0-9]{{1,9}})\.part")


@dataclass(frozen=True, slots=True)
class Key:
    """The key of a published file: its owner, its export, and its extension."""

    user_id: UUID
    job_id: UUID
    ending: str

    @classmethod
    def parse(cls, key: str) -> "Key":
        """Parse a key. Raises ValueError for any other text."""
        match = _KEY.fullmatch(key)
        if match is None:
            raise ValueError("This is not the key of an export.")
        return cls(UUID(match[1]), UUID(match[2]), match[3])

    @property
    def path(self) -> str:
        """The key as text."""
        return f"{FOLDER}/{self.user_id}/{self.name}"

    @property
    def folder(self) -> str:
        """Name of the user's folder."""
        return str(self.user_id)

    @property
    def name(self) -> str:
        """Name of the published file."""
        return f"{self.job_id}.{self.ending}"

    def partial(self, attempt: int) -> str:
        """Name under which an attempt writes the file, in the same folder."""
        return f".{self.job_id}.{attempt:d}.part"


def parse_stored_name(name: str) -> tuple[UUID, int | None] | None:
    """The export and attempt of a file; no attempt for a published file, ``None`` for a file of another kind."""
    if match := _PARTIAL.fullmatch(name):
        return UUID(match[1]), int(match[2])
    match = _PUBLISHED.fullmatch(name)
    return match and (UUID(match[1]), None)
