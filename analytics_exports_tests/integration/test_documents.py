"""Documents that promise code or a site: the code runs, and the site is whole and asks nobody for anything."""

import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from uuid import uuid4

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from analytics_exports.settings import PREFIX
from analytics_exports_tests.demo_warehouse import built_demo
from analytics_exports_tests.documents import run

FETCHED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, database_url: str) -> None:
    demo = built_demo()
    environment = {
        "DATABASE_URL": database_url,
        "WAREHOUSE": str(demo.warehouse),
        "DBT_MANIFEST": str(demo.manifest),
        "STATE_DIR": str(tmp_path),
    }
    for name, value in environment.items():
        monkeypatch.setenv(f"{PREFIX}{name}", value)


@pytest.mark.usefixtures("environment")
def test_the_api_can_be_mounted_as_the_guide_says(repository: Path) -> None:
    names = run(repository / "docs" / "how-to" / "mount-into-an-application.md")
    app = names["app"]
    assert isinstance(app, FastAPI)
    client = TestClient(app)

    assert client.get("/api/analytics/datasets").status_code == 401
    known = client.get("/api/analytics/datasets", headers={"X-User-Id": str(uuid4())})
    assert known.status_code == 200
    assert known.json()["datasets"]
    names["services"].close()


class Fetched(HTMLParser):
    """The addresses that a browser fetches by itself when it shows a page."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if given.get("rel") not in {"canonical", "next", "prev"}:
            self.addresses.append(given.get(FETCHED.get(tag, "")) or "")


def test_the_site_is_whole_and_needs_no_network(repository: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(
        command,
        cwd=repository,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) >= len(list((repository / "docs").rglob("*.md")))
    foreign = {address for page in pages for address in Fetched(page).addresses if "//" in address}
    assert foreign == set()
