"""What the doctor checks besides the parts of the service: the machine, and the service itself if it runs.

Each check raises an error whose sentence is the finding.
"""

import shutil
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path

import httpx

from analytics_exports.contract import BASE_PATH
from analytics_exports.domain.errors import StorageFull, Unavailable
from analytics_exports.ports import UserStore
from analytics_exports.settings import PREFIX, Settings
from analytics_exports.stack.tcp import answers, require_free

SERVICE_SECONDS = 5.0


def check_dbt(settings: Settings) -> None:
    """The project exists and dbt is installed. Raises Unavailable."""
    if settings.dbt_project is not None and not (settings.dbt_project / "dbt_project.yml").exists():
        raise Unavailable("There is no dbt_project.yml in the folder of the dbt project.")
    if find_spec("dbt") is None:
        raise Unavailable("dbt is not installed here, so the warehouse asset cannot build the project.")


def check_disk(settings: Settings) -> None:
    """More space is free for files than exports keep free. Raises StorageFull."""
    folder = Path(settings.artifact_root).absolute()
    while not folder.exists():
        folder = folder.parent
    if shutil.disk_usage(folder).free <= settings.disk_reserve_bytes:
        raise StorageFull


def check_users(users: UserStore) -> None:
    """There is a user. Raises Unavailable, or DatabaseUnavailable."""
    if not users.all():
        raise Unavailable("There are no users, so nobody can ask for an export.")


def check_service(settings: Settings) -> None:
    """The service is up and ready, or its ports are free. Raises Unavailable, or PortBusy."""
    if not answers(settings.api_port, settings.api_host):
        for name in ("api_port", "dagster_ui_port", "code_server_port"):
            require_free(getattr(settings, name), f"{PREFIX}{name.upper()}")
        return
    try:
        url = f"http://{settings.api_host}:{settings.api_port}{BASE_PATH}/readyz"
        answer = httpx.get(url, timeout=SERVICE_SECONDS, trust_env=False)
    except httpx.HTTPError:
        raise Unavailable("What has the port of the API is not this service.") from None
    if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
        unready = ", ".join(sorted(name for name, well in answer.json()["parts"].items() if not well))
        raise Unavailable(f"The service runs, and is not ready: {unready}.")
    if answer.status_code != HTTPStatus.OK:
        raise Unavailable("What has the port of the API is not this service.")
