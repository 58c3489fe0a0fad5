"""The instance files of Dagster: alike but for how runs are launched, and understood by the launcher they name."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance

LAUNCHER = "run_launcher"
VARIABLES = {
    "ANALYTICS_EXPORTS_BROKER_URL": "redis://127.0.0.1:9/0",
    "ANALYTICS_EXPORTS_RESULTS_URL": "redis://127.0.0.1:9/0",
}


def read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", ["celery", "kubernetes"])
def test_an_instance_file_differs_only_in_its_launcher(repository: Path, name: str) -> None:
    local, other = read(repository / "dagster.yaml"), read(repository / f"deploy/dagster/{name}.yaml")

    assert local.pop(LAUNCHER) != other.pop(LAUNCHER)
    assert local == other


def test_the_celery_launcher_takes_its_configuration(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in VARIABLES.items():
        monkeypatch.setenv(variable, value)
    launcher = read(repository / "deploy/dagster/celery.yaml")[LAUNCHER]
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump({LAUNCHER: launcher}), encoding="utf-8")
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        assert type(instance.run_launcher).__name__ == launcher["class"]
