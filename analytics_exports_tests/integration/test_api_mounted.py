"""The router inside another application, with that application's own users: ``examples/host_application.py``."""

from collections.abc import Iterator

import httpx
import pytest

from analytics_exports.contract import BASE_PATH
from analytics_exports.domain.access import UserId
from analytics_exports_tests import factories
from analytics_exports_tests.live_service import DATASET, LiveService, live_service, serving
from examples.host_application import SESSIONS, create_app

ONE, TWO = SESSIONS


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[LiveService]:
    with live_service(tmp_path_factory.mktemp("state"), module_database_url) as service:
        users = [factories.principal(UserId(user_id)) for user_id in SESSIONS.values()]
        service.warehouse.load(DATASET, [row for user in users for row in factories.transactions_of(user)])
        yield service


@pytest.fixture(scope="module")
def host(service: LiveService) -> Iterator[str]:
    with serving(create_app(service.services)) as address:
        yield address


def client(host: str, session: str) -> httpx.Client:
    return httpx.Client(base_url=host, headers={"X-Session": session})


def test_the_hosts_users_export_their_own_rows(service: LiveService, host: str) -> None:
    with client(host, ONE) as one, client(host, TWO) as two:
        accepted = one.post(f"{BASE_PATH}/exports", json={"dataset_id": str(DATASET.id), "format": "csv"})
        where = accepted.headers["Location"]
        service.make(accepted.json()["job_id"])
        done = one.get(where).json()
        content = one.get(done["download_url"]).text

        assert (done["status"], done["row_count"]) == ("completed", 3)
        assert str(SESSIONS[ONE]) in content
        assert str(SESSIONS[TWO]) not in content
        assert two.get(where).status_code == 404


def test_whom_the_host_does_not_know_is_refused(service: LiveService, host: str) -> None:
    token = service.user().token
    with client(host, "") as nobody:
        refused = nobody.get(f"{BASE_PATH}/exports", headers={"Authorization": f"Bearer {token}"})

        assert (refused.status_code, refused.json()["code"]) == (401, "invalid_token")
        assert refused.headers["X-Content-Type-Options"] == "nosniff"


def test_errors_are_problems_and_the_hosts_own_pages_are_its_own(host: str) -> None:
    with client(host, ONE) as one:
        wrong = one.post(f"{BASE_PATH}/exports", json={"dataset_id": "x"})

        assert (wrong.status_code, wrong.headers["Content-Type"]) == (422, "application/problem+json")
        assert one.get("/").json() == {"hello": "from the host"}
        assert one.get("/nowhere").headers["Content-Type"] == "application/json"
        assert f"{BASE_PATH}/exports" in one.get("/openapi.json").json()["paths"]
