"""A real browser for the journeys of the web page: the system's Chromium, watched for all that goes wrong in it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from analytics_exports_tests.waiting import LIMIT_SECONDS

CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""The shell first: the same engine without the windows of a browser, for which the others use a core of their own."""

SCREENSHOTS = Path(__file__).parents[2] / "build" / "screenshots"
EXPECTED = "Failed to load resource: "
"""How Chromium reports an answer from 400 on, or none; the page shows those itself."""

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1360, "height": 900}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1360, "height": 900}, "color_scheme": "dark"},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "color_scheme": "light",
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
}
"""How people see the page."""

REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`);
});
"""


@dataclass
class Visit:
    """One page, and what went wrong in it so far: errors of scripts, of the console, of the content security policy."""

    page: Page
    problems: list[str] = field(default_factory=list)

    def on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not message.text.startswith(EXPECTED):
            self.problems.append(message.text)

    def shoot(self, name: str) -> None:
        """Keep a picture of what is to be seen."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SCREENSHOTS / f"{name}.png", animations="disabled")


@contextmanager
def running_chromium() -> Iterator[Browser]:
    """The browser, without a window. Skips the test where there is none."""
    program = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if program is None:
        pytest.skip("There is no Chromium on this machine.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def visiting(browser: Browser, url: str, look: str = "light", script: str = "") -> Iterator[Visit]:
    """The page at ``url`` in a fresh profile; at the end nothing may have gone wrong in it. ``script`` runs first."""
    context = browser.new_context(locale="en-GB", timezone_id="UTC", **LOOKS[look])
    context.set_default_timeout(LIMIT_SECONDS * 1000)
    context.add_init_script(REPORT_VIOLATIONS + script)
    visit = Visit(context.new_page())
    visit.page.on("console", visit.on_console)
    visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
    visit.page.goto(url)
    yield visit
    context.close()
    assert visit.problems == []
