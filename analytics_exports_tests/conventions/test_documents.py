"""What documents name exists: settings, commands, tests, and the configuration of the launchpad."""

import re
from collections.abc import Iterator
from pathlib import Path

from dagster import config_from_yaml_strings, validate_run_config
from typer.main import get_command

from analytics_exports.cli.app import app
from analytics_exports.cli.connection import TOKEN_VARIABLE, URL_VARIABLE
from analytics_exports.orchestration.launchpad import request_export
from analytics_exports.settings import PREFIX, Settings

VARIABLE = re.compile(rf"\b{PREFIX}[A-Z_]*[A-Z]")
TEST = re.compile(r"`(test_[a-z_]+)`")
COMMAND = re.compile(r"(?:^(?:\s*|\$ |## )|`)analytics-exports ([a-z]+)(?: ([a-z]+))?", re.MULTILINE)
KNOWN = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields} | {URL_VARIABLE, TOKEN_VARIABLE}
INSIDE = {f"{PREFIX}CODE_SERVER_HOST", f"{PREFIX}DAGSTER_URL", f"{PREFIX}DAGSTER_STATE"}
"""What the stack tells Dagster's own configuration."""


def documents(repository: Path) -> Iterator[Path]:
    yield repository / "README.md"
    yield from (repository / "docs").rglob("*.md")


def test_every_variable_is_a_setting(repository: Path) -> None:
    named = {name for path in documents(repository) for name in VARIABLE.findall(path.read_text(encoding="utf-8"))}

    assert len(named) > 10
    assert named <= KNOWN | INSIDE


def test_every_command_is_there(repository: Path) -> None:
    commands = get_command(app).commands  # type: ignore[attr-defined]
    named = {found for path in documents(repository) for found in COMMAND.findall(path.read_text(encoding="utf-8"))}

    assert len(named) > 10
    for name, below in named:
        assert name in commands
        if hasattr(commands[name], "commands"):
            assert below in {*commands[name].commands, ""}


def test_every_test_is_there(repository: Path) -> None:
    tests = {path.stem for path in (repository / "analytics_exports_tests").rglob("test_*.py")}
    named = {name for path in documents(repository) for name in TEST.findall(path.read_text(encoding="utf-8"))}

    assert len(named) > 10
    assert named <= tests


def test_the_launchpad_takes_what_the_guide_shows(repository: Path) -> None:
    guide = (repository / "docs" / "how-to" / "operate-in-dagster.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(.*?)^```", guide, re.DOTALL | re.MULTILINE)

    assert validate_run_config(request_export, config_from_yaml_strings([block]))
