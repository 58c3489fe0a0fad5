"""The whole suite, as ``make test`` and ``.ci/run`` run it.

    python -m analytics_exports_tests [options of pytest]    everything
    python -m analytics_exports_tests --again                the journeys that failed, if there are few and nothing else

Tests that share nothing run side by side, in a few processes. The journeys come after them, one after another on
one stack: two stacks on the same cores make each other slow, and then tests wait for what would have come.

What tests write is kept in memory where there is room, unless ``TMPDIR`` says where: they make databases by the dozen.
"""

import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import run
from tempfile import TemporaryDirectory
from xml.etree import ElementTree as ET

TESTS = Path(__file__).parent
TOP = TESTS.parent
REPORTS = TOP / "build" / "tests"
JOURNEYS = "analytics_exports_tests/journeys"
RULES = "analytics_exports_tests/conventions"

PROCESSES = (os.cpu_count() or 1) + 1
"""One more than there are cores: tests wait now and then."""

ONE_FILE_EACH = ["--dist", "loadfile", "--no-loadscope-reorder"]
"""Files in their own order, in which the quick ones come last: otherwise those with one long test would."""

PARTS = {
    "tests": ["-n", str(PROCESSES), *ONE_FILE_EACH, f"--ignore={JOURNEYS}", f"--ignore={RULES}"],
    "journeys": ["-n", "0", JOURNEYS],
}
PASSED, FAILED, NOTHING_FOUND = 0, 1, 5
"""Exit codes of pytest."""

MOST_AGAIN = 3
"""More failures than this are no accident."""

MEMORY, MEMORY_BYTES = Path("/dev/shm"), 3 * 2**30
"""Where Linux keeps files in memory, and how much room there must be."""


def main(arguments: Sequence[str]) -> int:
    """Run all parts, also after a failure; returns an exit code."""
    if arguments == ["--again"]:
        return again()
    REPORTS.mkdir(parents=True, exist_ok=True)
    for report in REPORTS.glob("*.xml"):
        report.unlink()
    codes = [pytest(name, *options, *arguments) for name, options in PARTS.items()]
    found = [code for code in codes if code != NOTHING_FOUND]
    return max(found, default=NOTHING_FOUND)


def again() -> int:
    """Run journeys that failed once more, alone, and name those that pass now."""
    tests = list(failed())
    if not 0 < len(tests) <= MOST_AGAIN or not all(test.startswith(f"{JOURNEYS}/") for test in tests):
        return FAILED
    code = pytest("again", "-n", "0", *tests)
    if code == PASSED:
        for test in tests:
            say(f"flaky: {test}")
    return code


def failed() -> Iterator[str]:
    """The tests that failed in the last run, by their ids; something else for a part that has no report."""
    for name in PARTS:
        report = REPORTS / f"{name}.xml"
        if not report.exists():
            yield f"the report of {name}"
            continue
        for case in ET.parse(report).iter("testcase"):
            if case.find("failure") is not None or case.find("error") is not None:
                yield f"{case.get('file')}::{case.get('name')}"


def pytest(name: str, *arguments: str) -> int:
    """Run pytest and say how long it took; returns its exit code."""
    began = time.monotonic()
    report = [f"--junitxml={REPORTS / name}.xml", "-o", "junit_family=xunit1"]
    with environment() as variables:
        command = [sys.executable, "-m", "pytest", *report, *arguments]
        code = run(command, cwd=TOP, env=variables, check=False).returncode
    say(f"{name}: {time.monotonic() - began:.0f} s")
    return code


@contextmanager
def environment() -> Iterator[Mapping[str, str]]:
    """Variables for pytest, with a folder for what tests write; it is gone at the end."""
    if "TMPDIR" in os.environ or not has_room(MEMORY):
        yield os.environ
        return
    with TemporaryDirectory(prefix="exports-", dir=MEMORY) as folder:
        Path(folder).chmod(0o711)  # PostgreSQL has a folder in it, and an account of its own
        yield os.environ | {"TMPDIR": folder}


def has_room(folder: Path) -> bool:
    """Whether tests can keep their files here, and start programs; in containers neither is usual."""
    if not folder.is_dir():
        return False
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize >= MEMORY_BYTES and not found.f_flag & os.ST_NOEXEC


def say(text: str) -> None:
    """Print a line now: what pytest prints comes between."""
    print(text, flush=True)  # noqa: T201 - a program for the terminal


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
