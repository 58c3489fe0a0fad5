"""Renders the Helm chart without Helm: the constructs of Go's template language that the chart uses, as Jinja."""

import json
import re
from pathlib import Path
from typing import Any, cast

from dagster_shared.yaml_utils import load_run_config_yaml, load_yaml_from_path
from jinja2 import Environment, StrictUndefined

RANGE = re.compile(r"range \$(\w+), \$(\w+) := (\S+)")


def render(chart: Path, release: str = "demo") -> list[dict[str, Any]]:
    """The objects that an installation under this name would make."""
    environment = Environment(undefined=StrictUndefined, autoescape=False, keep_trailing_newline=True)
    environment.filters.update(quote=json.dumps, toJson=json.dumps)
    facts = {"Values": load_yaml_from_path(str(chart / "values.yaml")), "Release": {"Name": release}}
    found: list[dict[str, Any]] = []
    for template in sorted((chart / "templates").glob("*.yaml")):
        text = environment.from_string(_as_jinja(template.read_text(encoding="utf-8"))).render(facts)
        found += documents(text)
    return found


def documents(text: str) -> list[dict[str, Any]]:
    """The objects of a file of YAML."""
    parts = (load_run_config_yaml(part) for part in re.split(r"^---$", text, flags=re.MULTILINE))
    return [cast("dict[str, Any]", part) for part in parts if part]


def _as_jinja(text: str) -> str:
    opened: list[str] = []

    def translate(match: re.Match[str]) -> str:
        trim, words = match[1], match[2].strip()
        if loop := RANGE.fullmatch(words):
            opened.append("for")
            return f"{{%{trim} for {loop[1]}, {loop[2]} in {_name(loop[3])}.items() %}}"
        if words.startswith("if "):
            opened.append("if")
            return f"{{%{trim} if {_name(words[3:])} %}}"
        if words == "end":
            return f"{{%{trim} end{opened.pop()} %}}"
        name, *filters = words.split("|")
        return "{{ " + " | ".join([_name(name.strip()), *filters]) + " }}"

    rendered = re.sub(r"\{\{(-?)(.*?)\}\}", translate, text)
    assert not opened, "something is not ended"
    return rendered


def _name(path: str) -> str:
    return re.sub(r"^(\$\.|\.|\$)", "", path)
