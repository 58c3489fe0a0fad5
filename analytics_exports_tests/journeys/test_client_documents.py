"""The documents about the client, run from the first line to the last against the running service."""

import json
from pathlib import Path

import pytest

from analytics_exports.client import Client
from analytics_exports_tests.documents import cells, run
from analytics_exports_tests.journeys.conftest import Service


@pytest.fixture
def reader(service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Somebody who reads in an empty folder, and has set the two variables that the documents name."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ANALYTICS_EXPORTS_URL", service.stack.api_url)
    monkeypatch.setenv("ANALYTICS_EXPORTS_TOKEN", service.users[0].token)


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("document", ["tutorial/notebook.ipynb", "how-to/use-the-python-client.md"])
def test_every_example_works(repository: Path, document: str) -> None:
    left = run(repository / "docs" / document)
    for client in left.values():
        if isinstance(client, Client):
            client.close()

    assert left["frame"].height > 0
    assert left["path"].stat().st_size > 0


def test_the_notebook_is_kept_without_outputs(repository: Path) -> None:
    notebook = json.loads((repository / "docs" / "tutorial" / "notebook.ipynb").read_text(encoding="utf-8"))

    assert len(list(cells(repository / "docs" / "tutorial" / "notebook.ipynb"))) > 5
    for cell in notebook["cells"]:
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None
