"""What operators do in Dagster's web page, in a real browser: ask for an export, and look at what came of it."""

import re
from collections.abc import Iterator
from uuid import UUID

import pytest
from playwright.sync_api import Browser, Page, expect

from analytics_exports.client import Client
from analytics_exports_tests.journeys.browser import SCREENSHOTS, running_chromium
from analytics_exports_tests.journeys.conftest import Service
from analytics_exports_tests.journeys.stack_driver import StackDriver
from analytics_exports_tests.waiting import LIMIT_SECONDS

"""Milliseconds that a page of Dagster may take on a busy machine."""

CONFIG = """
ops:
  request:
    config:
      user: {user}
      dataset: fct_transactions
      format: PARQUET
      start_date: "2024-01-01"
      end_date: "2024-01-31"
"""


@pytest.fixture(scope="module")
def exported(service: Service, driver: StackDriver) -> UUID:
    """An export that was asked for by its owner, and has a run of its own: others have no checks."""
    driver.quiet()
    with Client(service.stack.api_url, service.users[0].token) as client:
        return client.export("fct_transactions", start_date="2024-01-01", end_date="2024-06-30").wait().facts.job_id


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with running_chromium() as chromium:
        yield chromium


@pytest.fixture
def page(service: Service, browser: Browser) -> Iterator[Page]:
    tab = browser.new_page(viewport={"width": 1500, "height": 1000}, base_url=service.stack.dagster_ui_url)
    tab.set_default_timeout(LIMIT_SECONDS * 1000)
    expect.set_options(timeout=LIMIT_SECONDS * 1000)
    yield tab
    tab.close()


def shoot(page: Page, name: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"dagster-{name}.png", animations="disabled")


def test_the_graph_leads_from_sources_to_exports(page: Page) -> None:
    page.goto("/asset-groups")
    for group in ("dbt_sources", "dbt", "warehouse", "exports"):
        expect(page.get_by_text(group, exact=True).first).to_be_visible()
    shoot(page, "graph")

    page.goto("/assets/dbt/fct_transactions?view=lineage&lineageScope=neighbors")
    expect(page.get_by_text("stg_transactions").first).to_be_visible()
    shoot(page, "lineage")


def test_an_export_shows_its_facts_and_checks(page: Page, exported: UUID) -> None:
    page.goto(f"/assets/dataset_export?view=partitions&partition={exported}")
    for fact in ("rows_per_second", "duration_seconds", "file_size_bytes", "sha256", "dataset_asset"):
        expect(page.get_by_text(fact, exact=True).first).to_be_visible()
    assert page.get_by_text("preview", exact=True).count() == 0
    link = page.get_by_role("link", name=f"/api/analytics/exports/{exported}")
    expect(link.first).to_be_visible()
    shoot(page, "partition")

    page.goto("/assets/dataset_export?view=checks")
    for check in ("row_count_matches", "file_is_readable", "owner_only"):
        expect(page.get_by_text(check, exact=True).first).to_be_visible()
    expect(page.get_by_text("Succeeded", exact=True)).to_have_count(3)
    shoot(page, "checks")


@pytest.mark.usefixtures("exported")
def test_numbers_are_plotted(page: Page) -> None:
    page.goto("/assets/dataset_export")
    page.get_by_text("Plots", exact=True).click()
    expect(page.locator("canvas").first).to_be_visible()
    shoot(page, "plots")


def test_the_launchpad_makes_an_export_for_a_user(page: Page, service: Service) -> None:
    owner = service.users[1]
    with Client(service.stack.api_url, owner.token) as client:
        before = {export.facts.job_id for export in client.exports()}
        page.goto("/locations/analytics_exports/jobs/request_export/playground")
        expect(page.get_by_text("name of a dataset")).to_be_visible()
        shoot(page, "launchpad")
        page.evaluate(
            "config => document.querySelector('.CodeMirror').CodeMirror.setValue(config)", CONFIG.format(user=owner.id)
        )
        page.get_by_role("button", name="Launch Run").click()
        page.wait_for_url(re.compile("/runs/"))
        expect(page.get_by_text("Success", exact=True).first).to_be_visible()
        shoot(page, "run")
        (asked,) = [export for export in client.exports() if export.facts.job_id not in before]
        rows = asked.to_polars()

    assert rows["user_id"].unique().to_list() == [str(owner.id)]
    assert str(rows["booking_date"].max()) <= "2024-01-31"
