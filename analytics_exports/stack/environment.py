"""The environment variables of the stack's processes."""

import os
import sys
from pathlib import Path

from sqlalchemy import make_url

from analytics_exports.settings import PREFIX, Settings
from analytics_exports.stack.tcp import LOOPBACK

MARK = f"{PREFIX}STACK"
"""Variable that identifies the stack's processes and their children; its value is the state folder."""

DAGSTER_SCHEMA = "dagster"
CODE_SERVER_STOP_SECONDS = 1
"""How long the code server lets calls finish, in seconds; waiting sensors would take longer."""


def dagster_url(database_url: str) -> str:
    """The URL of Dagster's storage: the same database with another driver and a schema of its own."""
    url = make_url(database_url).set(drivername="postgresql+psycopg2")
    options = f"{url.query.get('options', '')} -csearch_path={DAGSTER_SCHEMA}".strip()
    return str(url.update_query_dict({"options": options}).render_as_string(hide_password=False))


def dagster_home(settings: Settings) -> Path:
    """The folder of the Dagster instance."""
    return settings.state_dir.absolute() / "dagster"


def child_environment(settings: Settings, database_url: str) -> dict[str, str]:
    """The current environment, with every setting and what Dagster needs."""
    inherited = dict(os.environ)
    inherited.pop("PYTHONDONTWRITEBYTECODE", None)  # it would make every process compile its imports
    programs = str(Path(sys.executable).parent)
    return (
        inherited
        | _settings(settings)
        | {
            MARK: str(settings.state_dir.absolute()),
            f"{PREFIX}DATABASE_URL": database_url,
            f"{PREFIX}RESULTS_URL": settings.results_url or settings.broker_url,
            f"{PREFIX}DAGSTER_URL": dagster_url(database_url),
            f"{PREFIX}DAGSTER_STATE": str(dagster_home(settings)),
            f"{PREFIX}CODE_SERVER_HOST": LOOPBACK,
            "DAGSTER_HOME": str(dagster_home(settings)),
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "DAGSTER_GRPC_SHUTDOWN_GRACE_PERIOD": str(CODE_SERVER_STOP_SECONDS),
            "DO_NOT_TRACK": "1",
            "PATH": os.pathsep.join([programs, os.environ.get("PATH", os.defpath)]),
            "PYTHONUNBUFFERED": "1",
        }
    )


def _settings(settings: Settings) -> dict[str, str]:
    """Settings as variables; paths become absolute, so that a child's working directory does not matter."""
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    return {
        f"{PREFIX}{name.upper()}": str(value.absolute() if isinstance(value, Path) else value)
        for name, value in values.items()
        if value is not None
    }
