"""Authorization: every operation of the interface, for every kind of caller, in every state of an export.

The operations come from the OpenAPI document. One that the tables below do not know fails the test, so that nobody adds
an address without saying whom it is for.
"""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from analytics_exports.api.reference import openapi_document
from analytics_exports.contract import BASE_PATH
from analytics_exports.database.users import PostgresUserStore
from analytics_exports.domain.access import USER_SCOPES, Scope
from analytics_exports.domain.errors import DatasetChanged
from analytics_exports.domain.export import Failure, JobId, Status
from analytics_exports_tests.integration.operations import OPERATIONS, Operation
from analytics_exports_tests.live_service import DATASET, Caller, LiveService, live_service

LEASE = timedelta(seconds=60)

PUBLIC = {
    "GET /healthz",
    "GET /readyz",
    "GET /errors/{code}",
    "GET /downloads/{link}",
    "HEAD /downloads/{link}",
    "DELETE /session",
}
"""For everybody; a link is its own key."""

EVERY = dict.fromkeys(Status, 200)
READY = {**dict.fromkeys(Status, 409), Status.COMPLETED: 200, Status.EXPIRED: 410}
OWNED = {
    "GET /exports/{job_id}": EVERY,
    "DELETE /exports/{job_id}": {
        **dict.fromkeys(Status, 202),  # cancelled, be it by an earlier request
        **dict.fromkeys((Status.COMPLETED, Status.FAILED, Status.EXPIRED), 204),
    },
    "POST /exports/{job_id}/retry": {
        **dict.fromkeys(Status, 409),
        **dict.fromkeys((Status.FAILED, Status.CANCELLED, Status.EXPIRED), 202),
    },
    "GET /exports/{job_id}/download": READY,
    "HEAD /exports/{job_id}/download": READY,
    "POST /exports/{job_id}/link": {**READY, Status.EXPIRED: 409},
}
"""What the owner of an export gets, by its state. Everybody else gets 404, whatever the state."""

OTHERS = {
    "POST /session": 204,
    "GET /status": 200,
    "GET /formats": 200,
    "GET /datasets": 200,
    "GET /me": 200,
    "GET /datasets/{dataset_id}/schema": 200,
    "GET /datasets/{dataset_id}/query": 200,
    "GET /datasets/{dataset_id}/preview": 200,
    "POST /exports/estimate": 200,
    "POST /exports": 202,
    "GET /exports": 200,
    "GET /admin/users/{user_id}/tokens": 200,
    "POST /admin/users/{user_id}/tokens": 201,
    "POST /admin/tokens/{token_id}/rotate": 201,
    "DELETE /admin/tokens/{token_id}": 204,
}
"""What a caller with the scope gets elsewhere."""

BODIES: dict[str, Any] = {
    "POST /exports/estimate": {"dataset_id": str(DATASET.id)},
    "POST /exports": {"dataset_id": str(DATASET.id)},
    "POST /admin/users/{user_id}/tokens": {"name": "new"},
    "POST /admin/tokens/{token_id}/rotate": {},
}
PRIVATE = [operation for operation in OPERATIONS if operation.name not in PUBLIC]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[LiveService]:
    folder = tmp_path_factory.mktemp("state")
    with live_service(folder, module_database_url, failed_tokens_per_minute=10_000) as service:
        yield service


def send(http: httpx.Client, operation: Operation, **values: object) -> httpx.Response:
    known = {"dataset_id": DATASET.id, "job_id": uuid4(), "user_id": uuid4(), "token_id": uuid4(), **values}
    return http.request(operation.method, operation.path.format(**known), json=BODIES.get(operation.name))


def in_state(service: LiveService, owner: Caller, status: Status) -> JobId:
    """An export of this owner that stands so."""
    if status in {Status.COMPLETED, Status.EXPIRED}:
        job_id = service.made(owner)
        if status is Status.EXPIRED:
            owner.http.delete(f"/exports/{job_id}")
        return job_id
    jobs, job_id = service.jobs, owner.asked()
    if status is Status.CANCELLED:
        jobs.cancel(owner.principal.user_id, job_id)
    elif status is not Status.PENDING:
        _, claim = jobs.claim(job_id, "run", LEASE)
        if status is Status.FAILED:
            jobs.fail_attempt(claim, Failure.of(DatasetChanged), 1)
    return job_id


def stored(service: LiveService) -> Any:
    """All that a caller could have changed."""
    return service.scalar(
        "SELECT (SELECT json_agg(row_to_json(e) ORDER BY id) FROM jobs e)::text"
        " || (SELECT count(*) FROM api_tokens) || (SELECT count(*) FROM api_tokens WHERE revoked_at IS NOT NULL)"
    )


def anonymous(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    """An answer without what is new in each."""
    request_id = answer.headers["X-Request-Id"]
    headers = {name: value for name, value in answer.headers.items() if name not in {"date", "x-request-id"}}
    return answer.status_code, answer.content.replace(request_id.encode(), b""), headers


def refused(service: LiveService, scope: Scope) -> dict[str, tuple[httpx.Client, int]]:
    """Callers who are let through nowhere with this scope, and how each is refused."""
    revoked, expired, disabled = service.user(), service.user(), service.user()
    narrowed = service.user(*(USER_SCOPES | {Scope.ADMIN}) - {scope})
    service.execute("UPDATE api_tokens SET revoked_at = now() WHERE user_id = :id", id=revoked.principal.user_id)
    service.execute("UPDATE api_tokens SET expires_at = now() WHERE user_id = :id", id=expired.principal.user_id)
    PostgresUserStore(service.engine).disable(disabled.principal.user_id)
    return {
        "nobody": (service.http(), 401),
        "nonsense": (service.http("nonsense"), 401),
        "revoked": (revoked.http, 401),
        "expired": (expired.http, 401),
        "disabled": (disabled.http, 401),
        "narrowed": (narrowed.http, 403),
    }


def test_every_operation_is_in_one_table_and_its_scope_is_known() -> None:
    named = [operation.name for operation in OPERATIONS]

    assert sorted(named) == sorted([*PUBLIC, *OWNED, *OTHERS])
    assert all((operation.name in PUBLIC) == (operation.scope is None) for operation in OPERATIONS)
    assert {path for path in openapi_document().split('"') if path.startswith(f"{BASE_PATH}/")} >= {
        f"{BASE_PATH}{operation.path}" for operation in OPERATIONS
    }


@pytest.mark.parametrize("operation", PRIVATE, ids=str)
def test_nobody_gets_in_without_a_valid_token_of_the_scope(service: LiveService, operation: Operation) -> None:
    assert operation.scope
    owner = service.user()
    values = {"job_id": service.made(owner), "user_id": owner.principal.user_id, "token_id": token_of(service, owner)}
    callers = refused(service, operation.scope)
    before = stored(service)
    answers = {name: send(http, operation, **values).status_code for name, (http, _) in callers.items()}

    assert answers == {name: status for name, (_, status) in callers.items()}
    assert stored(service) == before


@pytest.mark.parametrize("name", OTHERS)
def test_the_scope_is_enough(service: LiveService, name: str) -> None:
    (operation,) = (operation for operation in OPERATIONS if operation.name == name)
    assert operation.scope
    caller, somebody = service.user(operation.scope), service.user()
    values = {"user_id": somebody.principal.user_id, "token_id": token_of(service, somebody)}

    assert send(caller.http, operation, **values).status_code == OTHERS[name]


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("name", OWNED)
def test_an_export_is_there_for_its_owner_only(service: LiveService, name: str, status: Status) -> None:
    (operation,) = (operation for operation in OPERATIONS if operation.name == name)
    owner, stranger, administrator = service.user(), service.user(), service.user(*USER_SCOPES, Scope.ADMIN)
    job_id = in_state(service, owner, status)
    assert owner.status(job_id)["status"] == status
    before = stored(service)
    for caller in (stranger, administrator):
        foreign, unknown = send(caller.http, operation, job_id=job_id), send(caller.http, operation)
        assert foreign.status_code == 404
        assert anonymous(foreign) == anonymous(unknown)
    assert stored(service) == before

    assert send(owner.http, operation, job_id=job_id).status_code == OWNED[name][status]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_link_opens_its_own_file_only_and_only_while_it_is_there(service: LiveService, method: str) -> None:
    owner, nobody = service.user(), service.http()
    first, second = (owner.http.post(f"/exports/{service.made(owner)}/link").json() for _ in range(2))
    for link in (first, second):
        assert nobody.request(method, path_of(link)).status_code == 200
    mixed = path_of(first)[:40] + path_of(second)[40:]

    assert nobody.request(method, mixed).status_code == 403
    (job_id,) = (item["job_id"] for item in owner.http.get("/exports").json()["exports"][:1])
    owner.http.delete(f"/exports/{job_id}")
    assert sorted(nobody.request(method, path_of(link)).status_code for link in (first, second)) == [200, 410]


def path_of(link: dict[str, Any]) -> str:
    """The address of a link below the base path."""
    return str(link["url"]).partition(BASE_PATH)[2]


def token_of(service: LiveService, caller: Caller) -> UUID:
    found: UUID = service.scalar("SELECT id FROM api_tokens WHERE user_id = :id", id=caller.principal.user_id)
    return found
