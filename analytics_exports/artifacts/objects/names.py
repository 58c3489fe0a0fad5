"""Where things are in the bucket.

    .exports-root                                    says that this place is the store's
    files/<user_id>/<job_id>.<attempt>.<ending>      the file that an attempt made
    exports/<user_id>/<job_id>.<ending>              the key: a short text that says which attempt's file is published

So a file of any size is published by writing a few bytes, in one step, after it was read back: object stores have no
rename, and copy no more than 5 GiB at once.
"""

import json
import re
from uuid import UUID

from analytics_exports.artifacts.keys import Key

MARKER = ".exports-root"
FILES = "files"

_UUID = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_FILE = re.compile(rf"{FILES}/({_UUID})/({_UUID})\.([0-9]{{1,9}})\.([a-z0-9]+(?:\.[a-z0-9]+)?)")


def file_name(key: Key, attempt: int) -> str:
    """The name of the file of an attempt."""
    return f"{FILES}/{key.user_id}/{key.job_id}.{attempt:d}.{key.ending}"


def parse_file_name(name: str) -> tuple[Key, int] | None:
    """Whose file that is, and of which attempt; ``None`` for what is nobody's."""
    match = _FILE.fullmatch(name)
    return match and (Key(UUID(match[1]), UUID(match[2]), match[4]), int(match[3]))


def key_text(attempt: int) -> str:
    """What is stored under the key when the file of ``attempt`` is published."""
    return json.dumps({"attempt": attempt})


def published_attempt(text: str) -> int:
    """The attempt of such a text."""
    return int(json.loads(text)["attempt"])
