"""Where files are inside the store: keys, and the names they stand for.

A key is ``exports/{user_id}/{job_id}.{ending}``. Its parts are parsed anew each time, so that no key leads out of its
folder. Opening anything belongs to ``local``.
"""

import re
from dataclasses import dataclass
from uuid import UUID

FOLDER = "exports"
"""The one folder below the root; in it one for each user."""

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_KEY = re.compile(rf"{FOLDER}/({_UUID})/({_UUID})\.([a-z0-9]+(?:\.[a-z0-9]+)?)")
_PUBLISHED = re.compile(rf"({_UUID})\.[a-z0-9]+(?:\.[a-z0-9]+)?")
_PARTIAL = re.compile(rf"\.({_UUID})\.([0-9]{{1,9}})\.part")


@dataclass(frozen=True, slots=True)
class Key:
    """One published file: whose it is, of which export, and how its name ends."""

    user_id: UUID
    job_id: UUID
    ending: str

    @classmethod
    def parse(cls, key: str) -> "Key":
        """Take a key apart. Raises ValueError for anything else."""
        match = _KEY.fullmatch(key)
        if match is None:
            raise ValueError("This is not the key of an export.")
        return cls(UUID(match[1]), UUID(match[2]), match[3])

    @property
    def path(self) -> str:
        """The key itself."""
        return f"{FOLDER}/{self.user_id}/{self.name}"

    @property
    def folder(self) -> str:
        """The name of the user's folder."""
        return str(self.user_id)

    @property
    def name(self) -> str:
        """The name of the published file."""
        return f"{self.job_id}.{self.ending}"

    def partial(self, attempt: int) -> str:
        """The name under which an attempt writes the file, beside the published one."""
        return f".{self.job_id}.{attempt:d}.part"


def whose(name: str) -> tuple[UUID, int | None] | None:
    """To which export and attempt a file belongs: no attempt for a published file, ``None`` for one of nobody's."""
    if match := _PARTIAL.fullmatch(name):
        return UUID(match[1]), int(match[2])
    match = _PUBLISHED.fullmatch(name)
    return match and (UUID(match[1]), None)
