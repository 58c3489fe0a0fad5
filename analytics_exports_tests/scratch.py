"""A temporary PostgreSQL for one command or one test session, and a temporary folder.

    python -m analytics_exports_tests.scratch -- alembic check

runs the command with ``ANALYTICS_EXPORTS_DATABASE_URL`` set to an empty database and exits with its exit code.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from analytics_exports.development.postgres import EmbeddedPostgres
from analytics_exports.development.privileges import SHARED_ROOT
from analytics_exports.settings import PREFIX
from analytics_exports.stack.errors import StackError


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """A folder that every account may traverse, removed at the end with what is linked from it."""
    folder = Path(tempfile.mkdtemp(prefix="analytics-exports-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        for link in (entry for entry in folder.iterdir() if entry.is_symlink()):
            if link.resolve().parent == SHARED_ROOT:  # created by ``private_folder``
                shutil.rmtree(link.resolve())
        shutil.rmtree(folder)


@contextmanager
def scratch_postgres() -> Iterator[EmbeddedPostgres]:
    """A running server on a free port with an empty database; not durable, and removed at the end."""
    with scratch_folder() as folder, EmbeddedPostgres(folder / "postgres", durable=False) as server:
        yield server


def main(arguments: Sequence[str]) -> int:
    """Run a command with a temporary database. Returns its exit code; 2 when there is no command."""
    command = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    if not command:
        sys.stderr.write("usage: python -m analytics_exports_tests.scratch -- COMMAND [ARGUMENT...]\n")
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        with scratch_postgres() as server:
            environment = os.environ | {f"{PREFIX}DATABASE_URL": server.url}
            return subprocess.run(command, env=environment, check=False).returncode
    except StackError as reason:
        sys.stderr.write(f"{reason}\n")
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
