"""What the suite does after a failure: a few journeys are run again, nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest

from analytics_exports_tests import __main__ as suite

FAILING = """
import pytest

def test_good(): pass

def test_bad(): assert False

@pytest.mark.parametrize("which", ["a::b"])
def test_broken(which, no_such_fixture): pass
"""


@pytest.fixture
def reports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of reports; both parts have passed."""
    monkeypatch.setattr(suite, "REPORTS", tmp_path)
    for name in suite.PARTS:
        report(tmp_path / f"{name}.xml")
    return tmp_path


def report(path: Path, *tests: str) -> None:
    """A report in which these tests failed."""
    cases = "".join(
        f'<testcase file="{file}" name="{name}"><failure/></testcase>'
        for file, _, name in (test.partition("::") for test in tests)
    )
    passed = '<testcase file="analytics_exports_tests/journeys/test_export.py" name="test_good"/>'
    path.write_text(f"<testsuites><testsuite>{passed}{cases}</testsuite></testsuites>")


def test_the_report_that_pytest_writes_names_what_failed(reports: Path, tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(FAILING)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "junit_family=xunit1"]
    subprocess.run([*command, f"--junitxml={reports}/tests.xml", "test_some.py"], cwd=tmp_path, check=False)

    assert list(suite.failed()) == ["test_some.py::test_bad", "test_some.py::test_broken[a::b]"]


JOURNEY, OTHER = (
    "analytics_exports_tests/journeys/test_export.py::test_",
    "analytics_exports_tests/unit/test_a.py::test_a",
)


@pytest.mark.parametrize(
    "failed", [[], [OTHER], [f"{JOURNEY}1", OTHER], [f"{JOURNEY}{number}" for number in range(4)]], ids=len
)
def test_nothing_is_run_again_unless_a_few_journeys_are_all_that_failed(
    reports: Path, monkeypatch: pytest.MonkeyPatch, failed: list[str]
) -> None:
    monkeypatch.setattr(suite, "pytest", lambda *_: pytest.fail("it is run again"))
    report(reports / "journeys.xml", *failed)

    assert suite.again() == suite.FAILED


def test_nothing_is_run_again_when_a_part_was_cut_short(reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "pytest", lambda *_: pytest.fail("it is run again"))
    report(reports / "journeys.xml", f"{JOURNEY}1")
    (reports / "tests.xml").unlink()

    assert suite.again() == suite.FAILED


@pytest.mark.parametrize(("code", "said"), [(suite.PASSED, f"flaky: {JOURNEY}1\n"), (suite.FAILED, "")])
def test_a_journey_that_passes_the_second_time_is_named(
    reports: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], code: int, said: str
) -> None:
    monkeypatch.setattr(suite, "pytest", lambda *_: code)
    report(reports / "journeys.xml", f"{JOURNEY}1")

    assert suite.again() == code
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    ("given", "least", "kept"), [({}, 0, True), ({}, 2**60, False), ({"TMPDIR": "/tmp"}, 0, False)]
)
def test_files_are_kept_in_memory_where_there_is_room_and_no_other_place_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], least: int, *, kept: bool
) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(suite, "MEMORY", tmp_path)
    monkeypatch.setattr(suite, "MEMORY_BYTES", least)

    with suite.environment() as variables:
        made = [str(path) for path in tmp_path.iterdir()]
        assert len(made) == kept
        assert variables.get("TMPDIR") == (made[0] if made else given.get("TMPDIR"))
    assert list(tmp_path.iterdir()) == []
