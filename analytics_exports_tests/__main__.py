"""The whole suite, as ``make test`` and ``.ci/run`` run it.

    python -m analytics_exports_tests [options of pytest]    everything
    python -m analytics_exports_tests --again                the journeys that failed, if there are few and nothing else

Tests that share nothing run side by side, in a few processes. The journeys come after them, one after another on
one stack: two stacks on the same cores make each other slow, and then tests wait for what would have come.
"""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import run
from xml.etree import ElementTree as ET

TESTS = Path(__file__).parent
TOP = TESTS.parent
REPORTS = TOP / "build" / "tests"
JOURNEYS = "analytics_exports_tests/journeys"
RULES = "analytics_exports_tests/conventions"

PROCESSES = (os.cpu_count() or 1) + 1
"""One more than there are cores: tests wait now and then."""

PARTS = {
    "tests": ["-n", str(PROCESSES), "--dist", "loadfile", f"--ignore={JOURNEYS}", f"--ignore={RULES}"],
    "journeys": ["-n", "0", JOURNEYS],
}
PASSED, FAILED, NOTHING_FOUND = 0, 1, 5
"""Exit codes of pytest."""

MOST_AGAIN = 3
"""More failures than this are no accident."""


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
    code = run([sys.executable, "-m", "pytest", *report, *arguments], cwd=TOP, check=False).returncode
    say(f"{name}: {time.monotonic() - began:.0f} s")
    return code


def say(text: str) -> None:
    """Print a line now: what pytest prints comes between."""
    print(text, flush=True)  # noqa: T201 - a program for the terminal


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
