"""Rules about the files of the web page that no other tool checks."""

import re
from pathlib import Path

import pytest

from analytics_exports.web import STATIC

MODULES = sorted(STATIC.rglob("*.js"))
MODULE_LINES = 200
MARKUP_FROM_TEXT = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function|srcdoc"
)
KEPT_BY_THE_BROWSER = re.compile(r"localStorage|sessionStorage|indexedDB|document\.cookie")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_a_module_is_short_and_says_what_it_is(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()

    assert lines[0].startswith("// ")
    assert len(lines) <= MODULE_LINES


@pytest.mark.parametrize("pattern", [MARKUP_FROM_TEXT, KEPT_BY_THE_BROWSER], ids=["markup", "storage"])
def test_no_module_makes_markup_out_of_text_or_keeps_anything_in_the_browser(pattern: re.Pattern[str]) -> None:
    assert [path.name for path in MODULES if pattern.search(path.read_text(encoding="utf-8"))] == []


def test_every_import_leads_to_a_module() -> None:
    for path in MODULES:
        for target in re.findall(r'from "([^"]+)"', path.read_text(encoding="utf-8")):
            assert (path.parent / target).is_file(), f"{path.name} imports {target}"


def test_only_one_module_listens_to_the_closing_of_dialogs() -> None:
    """The browser tells of it in a later task: a listener on a dialog that is used again hears of an earlier opening."""
    listens = re.compile(r"addEventListener\(.close.|\bonclose\b")

    assert [path.name for path in MODULES if listens.search(path.read_text(encoding="utf-8"))] == ["dom.js"]
