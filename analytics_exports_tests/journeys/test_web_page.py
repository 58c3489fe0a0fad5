"""The web page as people use it: a real browser, the real service, and files compared with the warehouse."""

import csv
import io
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from analytics_exports.development.demo import DemoUser
from analytics_exports_tests.journeys.browser import LOOKS, Visit, running_chromium, visiting
from analytics_exports_tests.journeys.conftest import Service
from analytics_exports_tests.journeys.stack_driver import StackDriver
from analytics_exports_tests.waiting import LIMIT_SECONDS, until

EXPORTED = """
    SELECT booking_date, amount, status FROM fct_transactions
    WHERE user_id = $owner AND year(booking_date) = 2024 AND status = 'booked' AND amount >= 100
"""

SLOW = {"offline": False, "latency": 20, "downloadThroughput": 10**6, "uploadThroughput": 10**6}
"""Milliseconds, and bytes a second."""

COMPLETE = """
limit => new Promise((resolve, reject) => {
  const shown = [["dialog .summary", "row"], ["dialog .preview", "the first rows"]];
  const look = () => {
    if (shown.every(([place, words]) => document.querySelector(place)?.textContent.includes(words))) resolve();
    else if (performance.now() > limit) reject(new Error(document.querySelector("dialog")?.textContent));
    else setTimeout(look, 5);
  };
  limit += performance.now();
  look();
})
"""

expect.set_options(timeout=LIMIT_SECONDS * 1000)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as browser:
        yield browser


@pytest.fixture
def user(service: Service) -> DemoUser:
    return service.users[1]


@pytest.fixture
def visit(browser: Browser, service: Service, user: DemoUser) -> Iterator[Visit]:
    """The page, signed in."""
    with visiting(browser, service.stack.api_url) as visit:
        sign_in(visit.page, user)
        yield visit


def sign_in(page: Page, user: DemoUser) -> None:
    page.get_by_label("Access token").fill(user.token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Datasets")).to_be_visible()


def compose(page: Page, dataset: str = "Transactions") -> Locator:
    """Open the dialog for a dataset and wait for the number of rows."""
    page.get_by_role("button", name=dataset, exact=True).click()
    dialog = page.get_by_role("dialog", name=f"Export {dataset}")
    expect(dialog.locator(".summary")).to_contain_text("row")
    return dialog


def export(dialog: Locator) -> Locator:
    """Ask for the export; the card on top of the history, once it is there."""
    before = newest(dialog.page)
    dialog.get_by_role("button", name="Export", exact=True).click()
    expect(dialog).to_be_hidden()
    return newer(dialog.page, before)


def newest(page: Page) -> str:
    """The id of the export on top of the history; nothing when there is none."""
    card = page.locator(".export").first
    return (card.get_attribute("data-job") or "") if card.count() else ""


def newer(page: Page, before: str) -> Locator:
    """The card of the export that came after the one with this id, once it is there."""
    expect(page.locator(".export").first).to_have_attribute("data-job", re.compile(rf"^(?!{before or 'none'})"))
    return page.locator(f'[data-job="{newest(page)}"]')


def downloaded(card: Locator, folder: Path) -> Path:
    with card.page.expect_download() as download:
        card.get_by_role("button", name="Download").click()
    file = folder / download.value.suggested_filename
    download.value.save_as(file)
    return file


def warehouse(service: Service, query: str, owner: DemoUser) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(service.stack.settings.warehouse), read_only=True) as connection:
        return connection.execute(query, {"owner": owner.id}).fetchall()


def barriers(page: Page) -> list[str]:
    """What axe finds, serious or not, with where it is."""
    found = Axe().run(page).response["violations"]
    return [f"{item['id']} ({item['impact']}): {item['nodes'][0]['html']}" for item in found]


def look_again(page: Page) -> None:
    """Let the history look at once, as it does when people come back to the page."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_an_export_from_the_first_click_to_the_file(
    service: Service, user: DemoUser, visit: Visit, tmp_path: Path
) -> None:
    expected = warehouse(service, EXPORTED, user)
    dialog = compose(visit.page)
    dialog.get_by_label("From", exact=True).fill("2024-01-01")
    dialog.get_by_label("To", exact=True).fill("2024-12-31")
    dialog.get_by_role("checkbox", name="Booked", exact=True).check()
    dialog.get_by_role("group", name="Amount").get_by_label("At least").fill("100")
    dialog.get_by_text("Columns all 16").click()
    dialog.get_by_role("button", name="None").click()
    for column in ("status", "booking_date", "amount"):
        dialog.get_by_role("checkbox", name=re.compile(rf"^{column}\b")).check()
    for _ in range(20):
        dialog.get_by_role("button", name="Move status up").click()
    expect(dialog.locator(".summary")).to_contain_text(f"{len(expected):,} rows, about")
    expect(dialog.locator(".summary")).to_contain_text("1 Jan 2024 to 31 Dec 2024, Status: Booked, Amount at least 100")
    expect(dialog.locator("th").first).to_contain_text("status")

    card = export(dialog)
    expect(card).to_be_focused()
    expect(card).to_contain_text("Ready")
    expect(card).to_contain_text(f"{len(expected):,} rows")

    file = downloaded(card, tmp_path)
    assert file.name == "fct_transactions_2024-01-01_2024-12-31.csv"
    header, *rows = csv.reader(io.StringIO(file.read_text(encoding="utf-8"), newline=""))
    assert header == ["status", "booking_date", "amount"]
    assert sorted(rows) == sorted([status, day.isoformat(), str(amount)] for day, amount, status in expected)


def test_a_large_export_shows_how_far_it_is_leaves_nothing_when_it_is_cancelled_and_can_be_run_again(
    browser: Browser, service: Service, driver: StackDriver
) -> None:
    files = Path(service.stack.settings.artifact_root)
    with visiting(browser, service.stack.api_url) as visit:
        sign_in(visit.page, service.users[0])
        dialog = compose(visit.page)
        dialog.get_by_role("radio", name=re.compile("Excel")).check()
        with driver.slow():
            card = export(dialog)
            job_id = card.get_attribute("data-job") or ""
            expect(card.get_by_role("progressbar")).to_have_attribute("value", re.compile(r"^[1-9]\d?$"))
            expect(card).to_contain_text(re.compile(r"Writing the file · \d+ % · [\d,]+ rows written"))
            visit.shoot("progress")
            assert list(files.rglob(f"*{job_id}*"))
            card.get_by_role("button", name="Cancel").click()
            expect(card.locator(".badge")).to_have_text("Cancelled")
        until(lambda: not list(files.rglob(f"*{job_id}*")))  # its worker clears away; nothing is swept for an hour
        card.get_by_role("button", name="Run again").click()
        again = newer(visit.page, job_id)
        expect(again).to_be_focused()
        expect(again.locator(".badge")).to_have_text("Ready")


def test_a_finished_export_can_be_changed_copied_and_removed(visit: Visit, user: DemoUser, tmp_path: Path) -> None:
    page = visit.page
    dialog = compose(page, "Accounts")
    savings = page.get_by_role("group", name="Accounts").get_by_role("checkbox", name="Savings")
    savings.check()
    card = export(dialog)
    expect(card).to_contain_text("Ready")

    card.get_by_role("button", name="Change").click()
    expect(savings).to_be_checked()
    page.keyboard.press("Escape")

    card.get_by_role("button", name="Copy as curl").click()
    commands = page.get_by_role("dialog", name="From a shell").locator("pre").all_inner_texts()
    assert len(commands) == 2
    for command in commands:
        done = subprocess.run(
            ["/bin/sh", "-c", command],
            env=os.environ | {"TOKEN": user.token},
            cwd=tmp_path,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert user.token not in command
    page.keyboard.press("Escape")

    card.get_by_role("button", name="Remove the file").click()
    page.get_by_role("dialog", name="Remove the file?").get_by_role("button", name="Remove").click()
    expect(card.locator(".badge")).to_have_text("Expired")
    expect(card.locator(".notice")).to_have_count(0)
    expect(card.get_by_role("button", name="Download")).to_be_hidden()


def test_only_what_is_the_users_can_be_chosen(service: Service, user: DemoUser, visit: Visit) -> None:
    dialog = compose(visit.page)
    for legend, query in {
        "Accounts": "SELECT account_name FROM dim_accounts WHERE user_id = $owner",
        "Tags": "SELECT tag_name FROM dim_tags WHERE user_id = $owner",
    }.items():
        offered = dialog.locator("fieldset", has=visit.page.locator("legend", has_text=legend)).locator(".choice")
        assert sorted(offered.all_inner_texts()) == sorted(name for (name,) in warehouse(service, query, user))


def test_no_script_can_read_the_token_and_a_reload_keeps_the_session(visit: Visit) -> None:
    readable = "JSON.stringify([document.cookie, {...localStorage}, {...sessionStorage}])"
    assert visit.page.evaluate(readable) == '["",{},{}]'

    visit.page.reload()
    expect(visit.page.get_by_role("heading", name="Datasets")).to_be_visible()
    visit.page.get_by_role("button", name="Sign out").click()
    expect(visit.page.get_by_label("Access token")).to_be_focused()
    visit.page.reload()
    expect(visit.page.get_by_label("Access token")).to_be_visible()


def test_what_is_wrong_is_said_where_it_is(browser: Browser, service: Service, user: DemoUser) -> None:
    with visiting(browser, service.stack.api_url) as visit:
        page = visit.page
        page.get_by_label("Access token").fill("aex_wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("not valid")
        sign_in(page, user)

        dialog = compose(page)
        dialog.get_by_label("From", exact=True).fill("2024-12-31")
        dialog.get_by_label("To", exact=True).fill("2024-01-01")
        expect(dialog.get_by_role("group", name="Dates").locator(".field-error")).to_contain_text("before")
        expect(dialog.get_by_role("button", name="Export", exact=True)).to_be_disabled()
        visit.shoot("error")
        dialog.get_by_role("button", name="All time").click()
        dialog.get_by_role("group", name="Amount").get_by_label("At least").fill("1000000000")
        expect(dialog.get_by_text("No row fits these filters.").first).to_be_visible()
        page.keyboard.press("Escape")

        page.get_by_label("Search datasets and columns").fill("merchant")
        expect(page.locator(".card")).to_have_count(1)
        page.get_by_label("Search datasets and columns").fill("no such thing")
        page.get_by_role("button", name="Show all datasets").click()
        expect(page.locator(".card")).to_have_count(5)


def test_the_days_of_the_presets_are_those_of_the_calendar(browser: Browser, service: Service, user: DemoUser) -> None:
    with visiting(browser, service.stack.api_url) as visit:
        visit.page.clock.set_fixed_time("2024-03-30T12:00:00Z")
        sign_in(visit.page, user)
        dialog = compose(visit.page)
        for name, first, last in (
            ("Last 7 days", "2024-03-24", "2024-03-30"),
            ("Last 30 days", "2024-03-01", "2024-03-30"),
            ("This month", "2024-03-01", "2024-03-30"),
            ("Last month", "2024-02-01", "2024-02-29"),
            ("This year", "2024-01-01", "2024-03-30"),
            ("Last year", "2023-01-01", "2023-12-31"),
            ("All time", "", ""),
        ):
            preset = dialog.get_by_role("button", name=name)
            preset.click()
            expect(preset).to_have_attribute("aria-pressed", "true")
            expect(dialog.get_by_label("From", exact=True)).to_have_value(first)
            expect(dialog.get_by_label("To", exact=True)).to_have_value(last)


def test_columns_move_and_say_where_they_are_each_time_the_dialog_is_opened(visit: Visit) -> None:
    for _ in range(2):
        dialog = compose(visit.page, "Tags")
        dialog.get_by_text("Columns all 5").click()
        down = dialog.get_by_role("button", name="Move user_id down")
        down.click()
        expect(down).to_be_focused()
        expect(dialog.get_by_text("user_id is number 2 of 5.")).to_be_visible()
        visit.page.keyboard.press("Escape")


def test_a_service_that_is_away_is_noticed_and_found_again(visit: Visit) -> None:
    page = visit.page
    visit.page.context.set_offline(offline=True)
    look_again(page)
    expect(page.get_by_role("alert")).to_contain_text("cannot be reached")

    visit.page.context.set_offline(offline=False)
    look_again(page)
    expect(page.get_by_role("alert")).to_be_hidden()


def test_a_session_that_ended_leads_back_to_the_sign_in(visit: Visit) -> None:
    compose(visit.page)
    visit.page.context.clear_cookies()
    look_again(visit.page)

    expect(visit.page.get_by_role("alert")).to_contain_text("signed out")
    expect(visit.page.get_by_label("Access token")).to_be_focused()
    expect(visit.page.locator(".card, .export")).to_have_count(0)


def test_everything_can_be_done_from_the_keyboard(browser: Browser, service: Service, user: DemoUser) -> None:
    with visiting(browser, service.stack.api_url) as visit:
        page = visit.page
        expect(page.get_by_label("Access token")).to_be_focused()
        page.keyboard.type(user.token)
        page.keyboard.press("Enter")
        card = page.get_by_role("button", name="Tags", exact=True)
        expect(card).to_be_visible()
        reach(page, card)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Export Tags")).to_be_focused()
        page.keyboard.press("Escape")
        expect(card).to_be_focused()

        page.keyboard.press("Enter")
        submit = page.get_by_role("button", name="Export", exact=True)
        expect(submit).to_be_enabled()
        expect(page.locator(".summary")).to_contain_text("row")
        reach(page, submit)
        page.keyboard.press("Enter")
        expect(page.locator(".export:focus")).to_contain_text("Tags")
        expect(page.locator(".export:focus")).to_contain_text("Ready")
        made = page.locator(".export").first
        expect(made).to_be_focused()
        reach(page, made.get_by_role("button", name="Download"))


def test_a_dialog_that_is_closed_and_opened_again_at_once_never_waits_for_ever(visit: Visit) -> None:
    page = visit.page
    network = page.context.new_cdp_session(page)
    network.send("Network.emulateNetworkConditions", SLOW)
    page.get_by_role("button", name="Tags", exact=True).focus()
    page.keyboard.press("Enter")
    for _ in range(100):
        page.wait_for_selector("dialog")
        page.keyboard.press("Escape")
        page.keyboard.press("Enter")
        page.evaluate(COMPLETE, LIMIT_SECONDS * 1000)


ABORTED_ONCE = """
const send = window.fetch;
window.fetch = (url, request) => {
  if (window.aborted || !url.includes("/preview")) return send(url, request);
  window.aborted = true;
  return Promise.reject(new DOMException("", "AbortError"));
};
"""


def test_a_look_that_was_aborted_is_asked_again_as_long_as_it_is_wanted(
    browser: Browser, service: Service, user: DemoUser
) -> None:
    with visiting(browser, service.stack.api_url, script=ABORTED_ONCE) as visit:
        sign_in(visit.page, user)
        dialog = compose(visit.page, "Tags")
        expect(dialog.locator(".preview")).to_contain_text("the first rows")
        assert visit.page.evaluate("aborted")


def test_numbers_stand_to_the_right_in_the_preview(visit: Visit) -> None:
    preview = compose(visit.page).locator(".preview")
    preview.locator("td").first.wait_for()
    preview.scroll_into_view_if_needed()
    visit.shoot("preview")
    names = [cell.split("\n")[0] for cell in preview.locator("th").all_inner_texts()]

    def aligned(name: str) -> str:
        cell = (
            preview.locator("tbody tr")
            .first.locator("td")
            .nth(next(number for number, text in enumerate(names) if text.startswith(name)))
        )
        return str(cell.evaluate("cell => getComputedStyle(cell).textAlign"))

    assert aligned("amount") == "right"  # a DECIMAL, which JSON has as text
    assert aligned("currency") != "right"


PREVIEW = re.compile(r"/preview\b")
TEN_TIMES_SOONER = """
const wait = AbortSignal.timeout.bind(AbortSignal);
window.waits = new Set();
AbortSignal.timeout = (milliseconds) => { window.waits.add(milliseconds); return wait(milliseconds / 10); };
"""


def test_a_service_that_says_nothing_is_not_waited_for_for_ever(
    browser: Browser, service: Service, user: DemoUser
) -> None:
    with visiting(browser, service.stack.api_url, script=TEN_TIMES_SOONER) as visit:
        page = visit.page
        sign_in(page, user)
        page.route(PREVIEW, lambda _: None)
        page.get_by_role("button", name="Tags", exact=True).click()
        dialog = page.get_by_role("dialog", name="Export Tags")
        expect(dialog.get_by_role("alert")).to_contain_text("has not answered in time")
        expect(dialog.locator(".preview")).to_contain_text("nothing to show")
        visit.shoot("silence")
        page.unroute(PREVIEW)
        dialog.get_by_role("button", name="Try again").click()

        expect(dialog.locator(".summary")).to_contain_text("row")
        expect(dialog.locator(".preview")).to_contain_text("the first rows")
        assert page.evaluate("[...waits]") == [15_000]


def reach(page: Page, target: Locator) -> None:
    """Press Tab until ``target`` has the focus."""
    for _ in range(80):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    pytest.fail(f"{target} cannot be reached with Tab")


@pytest.mark.parametrize("look", LOOKS)
def test_nothing_stands_in_anybodys_way(browser: Browser, service: Service, user: DemoUser, look: str) -> None:
    with visiting(browser, service.stack.api_url, look) as visit:
        page = visit.page
        expect(page.get_by_label("Access token")).to_be_visible()
        visit.shoot(f"{look}-sign-in")
        assert barriers(page) == []

        sign_in(page, user)
        dialog = compose(page)
        visit.shoot(f"{look}-composer")
        for summary in dialog.locator("summary").all():
            summary.click()
        assert barriers(page) == []
        dialog.get_by_role("radio", name=re.compile("Parquet")).check()
        dialog.get_by_role("checkbox", name="Booked", exact=True).check()
        expect(dialog.locator(".summary")).to_contain_text("as Parquet")
        card = export(dialog)
        expect(card).to_contain_text("Ready")
        visit.shoot(f"{look}-exports")
        assert barriers(page) == []

        card.get_by_role("button", name="Copy as curl").click()
        assert barriers(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the screen"
