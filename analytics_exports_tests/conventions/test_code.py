"""Rules about the code that no other tool checks."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = sorted((ROOT / "analytics_exports").rglob("*.py"))
TESTS = sorted((ROOT / "analytics_exports_tests").rglob("*.py"))

FORMER = re.compile(
    "announcer|bury|desk|drain|draining|ear|entrance|follower|gate|hire|patience|readback|seal|seat|staff|told|world"
)
"""Words of former names, which were metaphors."""
WORD = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")

FUNCTION_LINES = 40
MODULE_LINES = 40

SMALL_MODULES = {
    "__main__": "a program",
    "api/routes/me": "a resource; each has a module of its own",
    "api/routes/tokens": "a resource; each has a module of its own",
    "bootstrap/adapters": "what the factories of several processes share",
    "cli/reference/__main__": "a program",
    "contract/strict_json": "one parser, for the client and the server",
    "database/jobs": "joins the three roles of the port",
    "database/secrets": "one table",
    "database/seeding": "reads files; nothing else in the package does",
    "definitions": "the module that workspace.yaml names",
    "observability": "used by every program, below the layers that it logs for",
    "services/signing": "shared by cursors and download links",
    "stack/locks": "shared by the stack and the embedded PostgreSQL",
    "warehouse/identifiers": "quoting, used by every module with SQL",
    "warehouse/run_dbt": "a program",
    "worker_pool/source_fingerprint": "independent of the pool that polls it",
}
"""Why a module has fewer lines than ``MODULE_LINES``; others belong with what they are used by."""


def functions(module: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(module) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def faults(path: Path) -> Iterator[str]:
    source = path.read_text(encoding="utf-8")
    module, name = ast.parse(source), path.relative_to(ROOT)
    if not ast.get_docstring(module):
        yield f"{name} does not say what it is"
    for node in functions(module):
        if (node.end_lineno or node.lineno) - node.lineno >= FUNCTION_LINES:
            yield f"{name}: {node.name} has {FUNCTION_LINES} lines or more"


def test_functions_are_short_and_modules_say_what_they_are() -> None:
    assert [fault for path in (*PACKAGE, *TESTS) for fault in faults(path)] == []


def test_small_modules_have_a_reason() -> None:
    small = {
        str(path.relative_to(ROOT / "analytics_exports").with_suffix(""))
        for path in PACKAGE
        if path.name != "__init__.py" and len(path.read_text(encoding="utf-8").splitlines()) < MODULE_LINES
    }

    assert small == SMALL_MODULES.keys()


def listed_modules(package: Path) -> list[str]:
    """The names before descriptions in the docstring of a package."""
    docstring = ast.get_docstring(ast.parse(package.read_text(encoding="utf-8")), clean=False) or ""
    return re.findall(r"^(?: {4})?(\w+) {2,}\S", docstring, re.MULTILINE)


def modules_of(folder: Path) -> list[str]:
    files = [path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")]
    return sorted([*files, *(path.parent.name for path in folder.glob("*/__init__.py"))])


def test_the_docstring_of_a_package_lists_its_modules() -> None:
    packages = [path for path in PACKAGE if path.name == "__init__.py"]

    assert len(packages) > 10
    for package in packages:
        if package.parent != ROOT / "analytics_exports":  # which shows the layers
            assert listed_modules(package) == modules_of(package.parent), package


def names(path: Path) -> Iterator[str]:
    """The module, and the classes, functions and arguments that it defines."""
    yield path.stem
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg


def test_names_are_standard_terms() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for path in (*PACKAGE, *TESTS)
        for name in names(path)
        if any(FORMER.fullmatch(word.lower()) for word in WORD.findall(name))
    ]

    assert found == []


def test_the_type_checker_is_not_silenced() -> None:
    assert [path for path in PACKAGE if "type: ignore" in path.read_text(encoding="utf-8")] == []


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
