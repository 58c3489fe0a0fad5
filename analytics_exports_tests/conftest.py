"""Fixtures for every folder, and a hermetic environment: no variable of the caller reaches a test."""

import gc
import os
from collections.abc import Generator, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings
from sqlalchemy import Engine

from analytics_exports.database import migrations
from analytics_exports.database.engine import make_engine
from analytics_exports.development.postgres import EmbeddedPostgres
from analytics_exports.settings import PREFIX
from analytics_exports_tests.object_store import S3, s3_server
from analytics_exports_tests.scratch import scratch_postgres
from analytics_exports_tests.waiting import TEST_SECONDS

TEMPLATE = "template_migrated"
numbers = count()


REPORTED_LINES = 50
"""Lines that a failure's report shows of each output: servers and clients say more than anybody reads."""


def pytest_configure(config: pytest.Config) -> None:
    """Forget settings of the shell, let child processes use compiled bytecode, and limit the time of each test."""
    config.option.timeout = TEST_SECONDS
    for name in list(os.environ):
        if name.startswith((PREFIX, "DAGSTER_")) and name != f"{PREFIX}TEST_MANIFESTS":
            del os.environ[name]
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    settings.register_profile("suite", settings.default, deadline=None)  # a first example pays for imports
    settings.load_profile("suite")
    gc.disable()  # until everything is imported


def pytest_collection_finish() -> None:
    """What was imported stays, so the garbage collector looks for what comes after it only."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Keep the end of what was captured."""
    report = yield
    report.sections = [(name, _end_of(output)) for name, output in report.sections]
    return report


def _end_of(output: str) -> str:
    lines = output.splitlines(keepends=True)
    left_out = len(lines) - REPORTED_LINES
    return output if left_out <= 0 else "".join([f"({left_out} lines before)\n", *lines[-REPORTED_LINES:]])


@pytest.fixture(scope="session")
def postgres() -> Iterator[EmbeddedPostgres]:
    """A real PostgreSQL server with a migrated template database."""
    with scratch_postgres() as server:
        server.create_database(TEMPLATE)
        migrations.upgrade_schema(server.url_of(TEMPLATE))
        yield server


@pytest.fixture
def database_url(postgres: EmbeddedPostgres) -> str:
    """A migrated database of this test's own."""
    return _new_database(postgres)


@pytest.fixture(scope="module")
def module_database_url(postgres: EmbeddedPostgres) -> str:
    """A migrated database that the tests of a module share."""
    return _new_database(postgres)


def _new_database(postgres: EmbeddedPostgres) -> str:
    name = f"test_{next(numbers)}"
    postgres.create_database(name, template=TEMPLATE)
    return postgres.url_of(name)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """Connections to that database."""
    engine = make_engine(database_url, application="test")
    yield engine
    engine.dispose()


@pytest.fixture(scope="session")
def analytics_url(postgres: EmbeddedPostgres) -> str:
    """An empty database called as the warehouse is in dbt's manifests; modules use schemas or tables of their own."""
    postgres.create_database("analytics")
    return postgres.url_of("analytics")


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """A server that speaks S3, in this process."""
    with s3_server() as server:
        yield server


@pytest.fixture(scope="session")
def repository() -> Path:
    """The top of the repository."""
    return Path(__file__).parents[1]
