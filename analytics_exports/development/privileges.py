"""The account of the embedded PostgreSQL, and where its files are so that it can access them.

PostgreSQL refuses to run as root. Started by root it runs as ``nobody``, who cannot enter a folder below, say,
``/root``. No folder is opened up for that: files that the account cannot access are below
``/var/lib/analytics-exports`` instead, with a symbolic link in the original place. Started by any other user, the
server runs as that user.
"""

import hashlib
import os
import pwd
import stat
from pathlib import Path

from analytics_exports.stack.errors import PostgresFailed
from analytics_exports.stack.processes import SystemAccount

SHARED_ROOT = Path("/var/lib/analytics-exports")
UNPRIVILEGED = "nobody"


def server_account(folder: Path) -> SystemAccount | None:
    """The account that the server of ``folder`` must run under; ``None`` for the current one."""
    if os.geteuid() != 0:
        return None
    if folder.exists() and folder.stat().st_uid != 0:
        return SystemAccount(folder.stat().st_uid, folder.stat().st_gid)  # the account it ran under before
    try:
        entry = pwd.getpwnam(UNPRIVILEGED)
    except KeyError:
        raise PostgresFailed(
            f"PostgreSQL cannot run as root, and there is no account named {UNPRIVILEGED}; "
            "run this as an ordinary user, or set ANALYTICS_EXPORTS_DATABASE_URL to a server of your own."
        ) from None
    return SystemAccount(entry.pw_uid, entry.pw_gid)


def reachable(path: Path) -> bool:
    """Whether any account may enter all folders that lead to ``path``."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)


def private_folder(folder: Path, account: SystemAccount | None) -> Path:
    """Create ``folder`` for this account alone, elsewhere if the account cannot access it; returns its path."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    if account and not folder.exists() and not reachable(folder):
        elsewhere = shared_root() / f"{folder.name}-{path_digest(folder)}"
        elsewhere.mkdir(exist_ok=True)
        folder.unlink(missing_ok=True)  # a dangling link
        folder.symlink_to(elsewhere, target_is_directory=True)
    home = folder.resolve()
    home.mkdir(exist_ok=True)
    if account:
        os.chown(home, account.uid, account.gid)
    home.chmod(0o700)
    return home


def shared_root() -> Path:
    """``SHARED_ROOT``, created if missing, with execute permission for everybody whatever the umask."""
    SHARED_ROOT.mkdir(parents=True, exist_ok=True)
    SHARED_ROOT.chmod(0o755)
    return SHARED_ROOT


def path_digest(path: Path) -> str:
    """A short, unique name for ``path``."""
    return hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:12]
