"""The demonstration: settings for the demo project, its warehouse, and users with tokens.

The demo's data and models are in ``demo/``; what is done with the service belongs to ``cli.demonstration``.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from analytics_exports import PROJECT
from analytics_exports.bootstrap.operators import Administration, administration
from analytics_exports.bootstrap.warehouse import build
from analytics_exports.development.postgres import embedded_postgres
from analytics_exports.domain.access import USER_SCOPES, UserId
from analytics_exports.ports import SOURCES_VARIABLE, BuildFailed
from analytics_exports.settings import Settings
from analytics_exports.stack.errors import StackError
from analytics_exports.stack.stack import Stack

DEMO = PROJECT / "demo"
IGNORED = frozenset({"target", "logs", "dbt_packages", "__pycache__", ".user.yml"})
STAMP = "built-from"
"""File beside the warehouse with the version of the project it was built from."""

TOKEN_NAME = "demo"  # noqa: S105 (a label)
TOKEN_LIFETIME = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class DemoUser:
    """A user with rows in the demo warehouse. The id is also the value of the owner column."""

    id: UUID
    label: str
    token: str


class DemoFailed(StackError):
    """The demonstration's warehouse could not be built; the dbt log has the details."""

    code = "demo_failed"


def demo_settings(settings: Settings) -> Settings:
    """The settings with the demo project; everything it creates is below the state folder."""
    home = settings.state_dir.absolute() / "demo"
    return settings.model_copy(
        update={
            "dbt_project": DEMO,
            "dbt_manifest": home / "manifest.json",
            "dbt_catalog": home / "catalog.json",
            "warehouse": home / "analytics.duckdb",
            "artifact_store": "",
        }
    )


@contextmanager
def running_demo(settings: Settings, say: Callable[[str], None]) -> Iterator[tuple[Stack, list[DemoUser]]]:
    """The stack on the demo project, and the demo users, most rows first; stopped at the end of the block."""
    settings = demo_settings(settings)
    sources = settings.warehouse.with_name("sources")
    stack = Stack(settings, say, embedded_postgres(settings), {SOURCES_VARIABLE: str(sources)})
    try:
        stack.start_database()
        build_demo(settings, sources, say)
        users = create_users(stack.database_url, sources, settings.warehouse.with_name("tokens.json"))
        stack.start_services()
        yield stack, users
    finally:
        stack.stop()


def build_demo(settings: Settings, sources: Path, say: Callable[[str], None]) -> None:
    """Generate the source data and build the warehouse, unless it is up to date with the project.

    Raises:
        DemoFailed: The data could not be generated, or dbt failed.
    """
    stamp = settings.warehouse.with_name(STAMP)
    version = project_version(DEMO)
    if stamp.exists() and stamp.read_text(encoding="ascii") == version and settings.warehouse.exists():
        return
    say("Building the demo warehouse with dbt.")
    stamp.unlink(missing_ok=True)
    if subprocess.run([sys.executable, DEMO / "generate.py", sources], check=False).returncode:  # noqa: S603 (our own)
        raise DemoFailed("The demo's source data could not be generated; the reason is above.")
    try:
        build(settings, sources)
    except BuildFailed as reason:
        raise DemoFailed(f"The demo warehouse could not be built; see {reason.log}.") from None
    stamp.write_text(version, encoding="ascii")


def project_version(project: Path) -> str:
    """A digest of every file of a dbt project that is not generated."""
    digest = hashlib.sha256()
    for path in sorted(project.rglob("*")):
        relative = path.relative_to(project)
        if path.is_file() and not IGNORED.intersection(relative.parts):
            digest.update(f"{relative.as_posix()}\0{path.stat().st_size}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def create_users(database_url: str, sources: Path, file: Path) -> list[DemoUser]:
    """Insert the demo users, each with a token: the one in ``file`` while it is valid."""
    kept: dict[str, str] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    with administration(database_url, TOKEN_LIFETIME) as services:
        users = [
            DemoUser(user_id, label, _token(services, UserId(user_id), kept.get(label, "")))
            for label, user_id in services.seed(sources).items()
        ]
    _write_private(file, json.dumps({user.label: user.token for user in users}, indent=2))
    return users


def _token(services: Administration, user_id: UserId, kept: str) -> str:
    principal = services.directory.authenticate(kept)
    if principal is not None and principal.user_id == user_id:
        return kept
    return services.tokens.issue(user_id, TOKEN_NAME, USER_SCOPES)[0]


def _write_private(file: Path, text: str) -> None:
    unfinished = file.with_name(f".{file.name}.part")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as output:
        output.write(text)
    unfinished.replace(file)
