"""Rules about the files of the web page that no other tool checks."""

import re

from analytics_exports.web import STATIC

MODULES = sorted(STATIC.rglob("*.js"))
MARKUP_FROM_TEXT = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(|new Function|srcdoc"
)
KEPT_BY_THE_BROWSER = re.compile(r"localStorage|sessionStorage|indexedDB|document\.cookie")


def containing(pattern: re.Pattern[str]) -> list[str]:
    return [path.name for path in MODULES if pattern.search(path.read_text(encoding="utf-8"))]


def test_modules_say_what_they_are() -> None:
    for path in MODULES:
        assert path.read_text(encoding="utf-8").startswith("// "), path


def test_no_module_makes_markup_out_of_text_or_keeps_anything_in_the_browser() -> None:
    assert containing(MARKUP_FROM_TEXT) == []
    assert containing(KEPT_BY_THE_BROWSER) == []


def test_every_import_leads_to_a_module() -> None:
    for path in MODULES:
        for target in re.findall(r'from "([^"]+)"', path.read_text(encoding="utf-8")):
            assert (path.parent / target).is_file(), f"{path.name} imports {target}"


def test_only_one_module_listens_to_the_closing_of_dialogs() -> None:
    """The browser tells of it in a later task: one on a shared dialog hears of an earlier opening."""
    assert containing(re.compile(r"addEventListener\(.close.|\bonclose\b")) == ["dom.js"]
