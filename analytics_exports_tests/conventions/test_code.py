"""Rules about the code that no other tool checks."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = sorted((ROOT / "analytics_exports").rglob("*.py"))
TESTS = sorted((ROOT / "analytics_exports_tests").rglob("*.py"))

MODULE_LINES = 300
FUNCTION_LINES = 40
SIGNPOST_LINES = 2
"""A module of more than a few lines says what belongs in it in at least so many lines."""


def functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("path", [*PACKAGE, *TESTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_short_and_says_what_it_is(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    module = ast.parse(source)

    assert ast.get_docstring(module), "the module does not say what it is"
    assert len(source.splitlines()) <= MODULE_LINES or path in TESTS
    too_long = [
        node.name for node in functions(module) if (node.end_lineno or node.lineno) - node.lineno >= FUNCTION_LINES
    ]
    assert too_long == []


@pytest.mark.parametrize("path", PACKAGE, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_type_checker_is_not_silenced(path: Path) -> None:
    assert "type: ignore" not in path.read_text(encoding="utf-8")


def test_the_migrations_do_not_hide_the_library() -> None:
    assert not (ROOT / "alembic" / "__init__.py").exists()


def test_locked_requirements_are_pinned_by_hash_and_name_no_index() -> None:
    for lock in (ROOT / "requirements").glob("*.txt"):
        text = lock.read_text(encoding="utf-8")
        assert "://" not in text, f"{lock.name} names an address"
        packages = re.split(r"\n(?=[a-zA-Z0-9])", text)
        unpinned = [item.split()[0] for item in packages if item[:1].isalnum() and "--hash=" not in item]
        assert unpinned == []


def test_no_tracked_file_names_a_place_of_one_machine() -> None:
    places = re.compile(r"(?<![\w.-])/(?:home/\w+|root|Users/\w+|work)/")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    found = []
    for name in tracked:
        path = ROOT / name
        if (
            path.is_file()
            and path != Path(__file__)
            and path.suffix in {".py", ".md", ".toml", ".cfg", ".yaml", ".sql"}
        ):
            found += [name for line in path.read_text(encoding="utf-8").splitlines() if places.search(line)]
    assert found == []
