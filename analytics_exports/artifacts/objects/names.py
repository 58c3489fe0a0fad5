"""Names of objects in the bucket.

    .exports-root                                    marks the place as the store
    files/<user_id>/<job_id>.<attempt>.<ending>      the file of an attempt
    exports/<user_id>/<job_id>.<ending>              the key: a short text with the attempt whose file is published

So a file of any size is published atomically by writing a few bytes, after it was read back: object stores cannot
rename, and copy at most 5 GiB at once.
"""

import json
import re
from uuid import UUID

from analytics_exports.artifacts.keys import Key

MARKER = ".exports-root"
FILES = "files"

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_FILE = re.compile(rf"{FILES}/({_UUID})/({_UUID})\.([0-9]{{1,9}})\.([a-z0-9]+(?:\.[a-z0-9]+)?)")


def file_object_name(key: Key, attempt: int) -> str:
    """Name of the file of an attempt."""
    return f"{FILES}/{key.user_id}/{key.job_id}.{attempt:d}.{key.ending}"


def parse_file_name(name: str) -> tuple[Key, int] | None:
    """The key and attempt of a file; ``None`` for an object of another kind."""
    match = _FILE.fullmatch(name)
    return match and (Key(UUID(match[1]), UUID(match[2]), match[4]), int(match[3]))


def key_text(attempt: int) -> str:
    """The content of the key when the file of ``attempt`` is published."""
    return json.dumps({"attempt": attempt})


def published_attempt(text: str) -> int:
    """The attempt in the content of a key."""
    return int(json.loads(text)["attempt"])
