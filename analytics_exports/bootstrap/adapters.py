"""Makes the adapters that several kinds of processes have, from the settings."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

from analytics_exports.artifacts import artifact_store
from analytics_exports.database.notifications import PENDING, listening
from analytics_exports.ports import ArtifactStore, Signal
from analytics_exports.settings import Settings


def database_url(settings: Settings) -> str:
    """URL of PostgreSQL. The local stack sets it for its processes when it starts the embedded one."""
    if settings.database_url is None:
        raise RuntimeError("Set ANALYTICS_EXPORTS_DATABASE_URL, or start the stack with `analytics-exports serve`.")
    return settings.database_url


def make_artifact_store(settings: Settings) -> ArtifactStore:
    """The artifact store; nothing is created."""
    return artifact_store(settings.artifact_root, settings.export_bytes, settings.disk_reserve_bytes)


def pending_signal(settings: Settings, retry_seconds: float) -> Callable[[], AbstractContextManager[Signal]]:
    """Listens for pending exports inside a block."""
    return partial(listening, database_url(settings), PENDING, retry_seconds)
