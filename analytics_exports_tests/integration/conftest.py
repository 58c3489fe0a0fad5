"""Fixtures of the tests with real adapters."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics_exports.services import batch_production
from analytics_exports_tests.deployment import Deployment, deployed


@pytest.fixture
def deployment(
    tmp_path: Path, database_url: str, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Deployment]:
    """A deployment in which a batch run ends as soon as nothing is pending."""
    monkeypatch.setattr(batch_production, "IDLE_SECONDS", 0)
    with deployed(tmp_path, database_url, repository, monkeypatch, DAGSTER_EVENT_BATCH_SIZE="100") as deployment:
        yield deployment
