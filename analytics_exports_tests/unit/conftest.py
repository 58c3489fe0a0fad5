"""Fixtures of the tests on values and fakes."""

import pytest

from analytics_exports_tests.fakes.adapters import FakeAdapters


@pytest.fixture
def adapters() -> FakeAdapters:
    return FakeAdapters()
