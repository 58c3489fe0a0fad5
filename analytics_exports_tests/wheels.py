"""The wheel, and environments with nothing but what it declares: no test, no tool of development."""

import shutil
import subprocess
import sys
from collections.abc import Collection, Iterable
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
UV = [sys.executable, "-m", "uv"]


def build_wheel(folder: Path) -> Path:
    """Built offline from a copy of the sources, so that nothing is left in the checkout."""
    source, target = folder / "source", folder / "wheel"
    listed = subprocess.check_output(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, text=True)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name)
    build = [*UV, "build", "--wheel", "--offline", "--no-build-isolation", "--quiet"]
    subprocess.run([*build, "--python", sys.executable, "--out-dir", target, source], check=True)
    (built,) = target.glob("*.whl")
    return built


def install(wheel: Path, folder: Path, extras: Collection[str] = ()) -> Path:
    """A virtual environment with the wheel and what it needs with these extras. Returns its Python."""
    subprocess.run([*UV, "venv", "--quiet", "--offline", "--python", sys.executable, folder], check=True)
    python = folder / "bin" / "python"
    (packages,) = folder.glob("lib/*/site-packages")
    for name in needed("analytics-exports", extras):
        _link(name, packages)
    command = [*UV, "pip", "install", "--quiet", "--offline", "--no-deps", "--compile-bytecode"]
    subprocess.run([*command, "--python", python, wheel], check=True)
    return python


def needed(name: str, extras: Collection[str] = ()) -> set[str]:
    """What a distribution needs with these extras, and what that needs."""
    found: set[tuple[str, str]] = set()
    waiting = list(_direct(name, extras))
    while waiting:
        if (requirement := waiting.pop()) not in found:
            found.add(requirement)
            waiting += _direct(requirement[0], [requirement[1]])
    return {name for name, _ in found}


def _direct(name: str, extras: Collection[str]) -> Iterable[tuple[str, str]]:
    """The distributions that one names, with each of the extras that it asks of them, and without any."""
    for text in distribution(name).requires or ():
        requirement = Requirement(text)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield from ((requirement.name, extra) for extra in ("", *requirement.extras))


def _link(name: str, packages: Path) -> None:
    """Make an installed distribution importable in another environment, its metadata included."""
    for file in distribution(name).files or ():
        top = file.parts[0]
        origin = Path(str(distribution(name).locate_file(top)))
        if top not in ("..", "__pycache__") and not (packages / top).exists():
            (packages / top).symlink_to(origin)
