"""One real stack for the journeys of a test session: every process, on ports of its own."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from analytics_exports.contract import BASE_PATH
from analytics_exports.database.engine import make_engine
from analytics_exports.development.demo import DemoUser, running_demo
from analytics_exports.settings import Settings
from analytics_exports.stack.stack import Stack
from analytics_exports.stack.tcp import free_port
from analytics_exports_tests.demo_warehouse import place_demo
from analytics_exports_tests.journeys.stack_driver import StackDriver
from analytics_exports_tests.scratch import scratch_folder
from analytics_exports_tests.waiting import LIMIT_SECONDS

SENSORS = 8
"""More than usual: whoever needs a run of its own for an export waits until enough of them listen again."""


@dataclass(frozen=True)
class Service:
    """The running service, and the demo users, most rows first."""

    stack: Stack
    users: list[DemoUser]

    def client(self, user: DemoUser | None = None) -> httpx.Client:
        """A client with the user's token, or with none."""
        headers = {"Authorization": f"Bearer {user.token}"} if user else {}
        return httpx.Client(base_url=self.stack.api_url + BASE_PATH, headers=headers, timeout=LIMIT_SECONDS)


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """The whole service on the demo warehouse, from the first process to the last."""
    with scratch_folder() as state:
        place_demo(state / "demo")
        settings = settings_of(state).model_copy(update={"launch_sensors": SENSORS})
        with running_demo(settings, print) as (stack, users):
            yield Service(stack, users)


@pytest.fixture(scope="module")
def driver(service: Service) -> Iterator[StackDriver]:
    """A user who has few rows, and an operator."""
    with driver_of(service, service.users[1]) as driver:
        yield driver


@contextmanager
def driver_of(service: Service, user: DemoUser) -> Iterator[StackDriver]:
    """This user, and an operator."""
    engine = make_engine(service.stack.database_url, application="test")
    try:
        with service.client(user) as client:
            yield StackDriver(service.stack, client, engine)
    finally:
        engine.dispose()


def settings_of(state: Path) -> Settings:
    """Settings for a stack of one's own, on which what a killed process has launched is launched again soon."""
    return Settings(
        launch_seconds=20,
        state_dir=state,
        api_port=free_port(),
        dagster_ui_port=free_port(),
        code_server_port=free_port(),
        postgres_port=free_port(),
    )
