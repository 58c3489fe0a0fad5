"""The web page over HTTP: signing in and out, and the profile. The real application over fakes."""

import re
from dataclasses import replace
from http.cookies import SimpleCookie

import httpx
import pytest
from starlette.testclient import TestClient

from analytics_exports.api.app import create_app
from analytics_exports.api.authentication import HEADER, SECONDS
from analytics_exports.bootstrap.api import ApiServices, api_adapters, api_services
from analytics_exports.contract import BASE_PATH
from analytics_exports.domain.access import Principal, Scope
from analytics_exports.settings import Settings
from analytics_exports.web import STATIC
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.directory import FakeDirectory

TOKEN = "token"
ME, SESSION = f"{BASE_PATH}/me", f"{BASE_PATH}/session"
FROM_PAGE = {HEADER: "1"}
BY_TOKEN = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def caller() -> Principal:
    return factories.principal()


@pytest.fixture
def directory(caller: Principal) -> FakeDirectory:
    directory = FakeDirectory()
    directory.tokens[TOKEN] = caller
    directory.users[caller.user_id] = caller.owner_key
    directory.accounts[caller.user_id] = {"a1", "a2"}
    return directory


@pytest.fixture
def services(directory: FakeDirectory) -> ApiServices:
    settings = Settings(database_url=factories.NO_DATABASE)
    return api_services(settings, replace(api_adapters(settings), directory=directory))


@pytest.fixture
def app(services: ApiServices) -> TestClient:
    return TestClient(create_app(services), "http://localhost")


def cookie(response: httpx.Response) -> str:
    """The Set-Cookie header in lower case."""
    return response.headers["Set-Cookie"].lower()


def test_the_profile_names_the_callers_accounts_and_tags(app: TestClient, caller: Principal) -> None:
    assert app.get(ME, headers=BY_TOKEN).json() == {
        "user_id": str(caller.user_id),
        "label": "user",
        "scopes": sorted(caller.scopes),
        "accounts": [{"id": "a1", "name": "an account"}, {"id": "a2", "name": "an account"}],
        "tags": [],
    }


def test_whoever_signs_in_is_known_by_a_cookie_that_scripts_and_other_sites_do_not_get(app: TestClient) -> None:
    response = app.post(SESSION, headers=BY_TOKEN)

    assert response.status_code == 204
    attributes = {part.strip() for part in cookie(response).split(";")[1:]}
    assert attributes == {"httponly", "path=/", "samesite=strict", f"max-age={SECONDS}"}
    assert app.get(ME, headers=FROM_PAGE).status_code == 200


def test_over_https_the_cookie_is_bound_to_this_host(services: ApiServices) -> None:
    app = TestClient(create_app(services), "https://localhost")
    response = app.post(SESSION, headers=BY_TOKEN)

    assert cookie(response).startswith("__host-")
    assert "; secure" in cookie(response)
    assert app.get(ME, headers=FROM_PAGE).status_code == 200


def test_the_cookie_counts_only_for_requests_that_the_page_sends(app: TestClient) -> None:
    app.post(SESSION, headers=BY_TOKEN)

    assert app.get(ME).status_code == 401


def test_another_origin_is_not_given_leave_to_send_what_the_page_sends(app: TestClient) -> None:
    asked = {
        "Origin": "http://elsewhere.test",
        "Access-Control-Request-Method": "GET",
        "Access-Control-Request-Headers": HEADER,
    }
    response = app.options(ME, headers=asked)

    assert response.status_code == 405
    assert not [name for name in response.headers if name.lower().startswith("access-control-")]


def test_a_session_ends_with_its_token(app: TestClient, directory: FakeDirectory) -> None:
    app.post(SESSION, headers=BY_TOKEN)
    del directory.tokens[TOKEN]

    assert app.get(ME, headers=FROM_PAGE).status_code == 401


def test_signing_out_takes_the_cookie_back_and_leaves_the_token_alone(app: TestClient) -> None:
    app.post(SESSION, headers=BY_TOKEN)
    response = app.delete(SESSION)

    assert response.status_code == 204
    morsel = next(iter(SimpleCookie(response.headers["Set-Cookie"]).values()))
    assert (morsel.value, morsel["max-age"], morsel["path"]) == ("", "0", "/")
    assert app.get(ME, headers=FROM_PAGE).status_code == 401
    assert app.get(ME, headers=BY_TOKEN).status_code == 200


@pytest.mark.parametrize("headers", [{}, FROM_PAGE, {"Authorization": "Bearer wrong"}])
def test_nobody_signs_in_without_a_valid_token(app: TestClient, headers: dict[str, str]) -> None:
    response = app.post(SESSION, headers=headers)

    assert response.status_code == 401
    assert "Set-Cookie" not in response.headers


def test_a_session_cannot_be_prolonged_by_itself(app: TestClient) -> None:
    app.post(SESSION, headers=BY_TOKEN)

    assert app.post(SESSION, headers=FROM_PAGE).status_code == 401


def test_a_token_that_may_do_nothing_cannot_sign_in(app: TestClient, directory: FakeDirectory) -> None:
    directory.tokens["other"] = factories.principal(scopes=frozenset({Scope.ADMIN}))

    assert app.post(SESSION, headers={"Authorization": "Bearer other"}).status_code == 403


def test_the_page_is_asked_for_anew_and_its_files_never(app: TestClient) -> None:
    page = app.get("/")
    assert page.headers["Cache-Control"] == "no-cache"
    assert app.get("/", headers={"If-None-Match": page.headers["ETag"]}).status_code == 304

    addresses = re.findall(r'(?:href|src)="(static/[^"]+)"', page.text)
    assert len(addresses) > 5
    for address in addresses:
        file = app.get(f"/{address}")
        assert file.status_code == 200, address
        assert "immutable" in file.headers["Cache-Control"]
        assert file.headers["X-Content-Type-Options"] == "nosniff"


def test_every_module_is_fetched_at_once_and_every_file_is_there(app: TestClient) -> None:
    page = app.get("/").text
    version = re.search(r"static/([0-9a-f]{16})/", page)
    assert version
    modules = {path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.js")}

    assert set(re.findall(r"static/[0-9a-f]{16}/([^\"]+\.js)", page)) == modules


def test_a_file_of_another_version_or_outside_is_unknown(app: TestClient) -> None:
    for address in ("/static/0000000000000000/app.js", "/static/x/../index.html", "/static/x/..%2f..%2fpage.py"):
        assert app.get(address).status_code == 404


def test_nothing_on_the_page_is_inline_or_from_elsewhere(app: TestClient) -> None:
    page = app.get("/")
    policy = page.headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert not re.search(r"<style|<script(?![^>]* src=)|\sstyle=|\son\w+=", page.text)


def test_the_page_knows_two_methods(app: TestClient) -> None:
    response = app.post("/")

    assert response.status_code == 405
    assert response.headers["Allow"] == "GET, HEAD"
    assert app.head("/").status_code == 200
