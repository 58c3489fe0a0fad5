"""What is deployed: instance files, image, containers and chart agree with each other and with the code."""

import json
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import pytest
from dagster import DagsterInstance
from dagster_shared.yaml_utils import load_yaml_from_path

from analytics_exports.settings import PREFIX, Settings
from analytics_exports_tests.chart import render

LAUNCHER, COORDINATOR = "run_launcher", "run_coordinator"
BROKER = {f"{PREFIX}BROKER_URL": "redis://127.0.0.1:9/0", f"{PREFIX}RESULTS_URL": "redis://127.0.0.1:9/0"}
DAGSTERS = {f"{PREFIX}{name}" for name in ("DAGSTER_URL", "DAGSTER_STATE", "CODE_SERVER_HOST", "CODE_SERVER_PORT")}
"""Variables that only the files of Dagster read."""


def read(path: Path) -> dict[str, Any]:
    return cast("dict[str, Any]", load_yaml_from_path(str(path)))


@pytest.fixture(scope="module")
def chart(repository: Path) -> Path:
    return repository / "deploy" / "helm" / "analytics-exports"


@pytest.fixture(scope="module")
def objects(chart: Path) -> list[dict[str, Any]]:
    return render(chart)


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {
        item["metadata"]["name"]: item["spec"]["template"]["spec"]
        for item in objects
        if "template" in item.get("spec", {})
    }


@pytest.mark.parametrize("name", ["celery", "kubernetes"])
def test_an_instance_file_differs_only_in_its_launcher_and_who_queues_runs(repository: Path, name: str) -> None:
    local, other = read(repository / "dagster.yaml"), read(repository / f"deploy/dagster/{name}.yaml")

    assert local.pop(LAUNCHER) != other.pop(LAUNCHER)
    assert local.pop(COORDINATOR)["class"] == "PoolRunCoordinator"
    assert other.pop(COORDINATOR)["class"] == "DefaultRunCoordinator"
    assert local == other


def test_the_celery_launcher_takes_its_configuration(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in BROKER.items():
        monkeypatch.setenv(variable, value)
    launcher = read(repository / "deploy/dagster/celery.yaml")[LAUNCHER]
    (tmp_path / "dagster.yaml").write_text(json.dumps({LAUNCHER: launcher}), encoding="utf-8")
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        assert type(instance.run_launcher).__name__ == launcher["class"]


def test_the_chart_makes_every_process_and_the_migrations(objects: list[dict[str, Any]]) -> None:
    processes = {"api", "code-server", "daemon", "webserver", "worker", "migrations"}
    names = [f"{item['kind']}/{item['metadata']['name']}" for item in objects]

    assert set(pods(objects)) == {f"demo-{name}" for name in processes}
    assert len(names) == len(set(names))
    assert {"Service/demo-api", "Service/demo-code-server", "ConfigMap/demo-settings"} <= set(names)


def test_there_is_one_daemon_and_it_is_never_two(objects: list[dict[str, Any]]) -> None:
    for item in objects:
        if item["metadata"]["name"] in ("demo-daemon", "demo-code-server") and item["kind"] == "Deployment":
            assert (item["spec"]["replicas"], item["spec"]["strategy"]["type"]) == (1, "Recreate")


def test_no_container_has_more_rights_than_it_needs(objects: list[dict[str, Any]]) -> None:
    for pod in pods(objects).values():
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["automountServiceAccountToken"] is False
        for container in [*pod.get("initContainers", ()), *pod["containers"]]:
            context = container["securityContext"]
            assert context["readOnlyRootFilesystem"] is True
            assert context["allowPrivilegeEscalation"] is False
            assert context["capabilities"] == {"drop": ["ALL"]}
            assert not container["image"].endswith(":latest")


def test_services_and_probes_reach_the_processes(objects: list[dict[str, Any]]) -> None:
    ports = {
        pod["containers"][0]["name"]: pod["containers"][0]["ports"][0]["containerPort"]
        for pod in pods(objects).values()
        if "ports" in pod["containers"][0]
    }
    services = {
        item["spec"]["selector"]["app.kubernetes.io/component"]: item["spec"]["ports"][0]["port"]
        for item in objects
        if item["kind"] == "Service"
    }
    assert services == ports


def test_both_deployments_run_the_same_commands(repository: Path, objects: list[dict[str, Any]]) -> None:
    compose = read(repository / "deploy/compose.yaml")["services"]
    in_chart = {name.removeprefix("demo-"): pod["containers"][0]["command"][0] for name, pod in pods(objects).items()}
    in_compose = {name: compose[name].get("command", ["uvicorn"])[0] for name in in_chart}

    assert in_chart == in_compose


def test_modules_that_commands_name_exist(objects: list[dict[str, Any]]) -> None:
    commands = [pod["containers"][0]["command"] for pod in pods(objects).values()]
    named = {
        word.partition(":")[0] for command in commands for word in command if word.startswith("analytics_exports.")
    }

    assert len(named) == 3
    assert all(find_spec(module) for module in named)


@pytest.mark.parametrize("name", ["compose.yaml", "Containerfile", "helm/analytics-exports/values.yaml"])
def test_every_variable_is_a_setting(repository: Path, name: str) -> None:
    text = (repository / "deploy" / name).read_text(encoding="utf-8")
    known = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields} | DAGSTERS

    assert set(re.findall(rf"{PREFIX}\w+", text)) <= known


def test_the_image_runs_as_nobody_in_particular(repository: Path) -> None:
    lines = (repository / "deploy/Containerfile").read_text(encoding="utf-8").splitlines()
    users = [line for line in lines if line.startswith("USER")]

    assert users == ["USER 10001:10001"]
    assert (repository / "requirements/server.txt").exists()


@pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not installed")
@pytest.mark.parametrize("command", [("lint", "--strict"), ("template", "demo")])
def test_helm_agrees(chart: Path, command: tuple[str, ...]) -> None:
    subprocess.run(["helm", *command, chart], check=True, capture_output=True)
