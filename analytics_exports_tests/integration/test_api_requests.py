"""Authentication, limits, headers, hosts and the access log, for every request of the API."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI

from analytics_exports.api.app import create_app
from analytics_exports.contract import BASE_PATH
from analytics_exports.database.users import PostgresUserStore
from analytics_exports.domain.access import Scope
from analytics_exports.settings import Settings
from analytics_exports_tests.live_service import DATASET, LiveService, live_service, serving

ISSUER, AUDIENCE, SECRET = "https://issuer.test", "exports", "a-shared-secret-" * 4


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[LiveService]:
    settings = {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE, "jwt_key": SECRET, "jwt_algorithms": "HS256"}
    with live_service(tmp_path_factory.mktemp("state"), module_database_url, exports_per_user=2, **settings) as service:
        yield service


def test_every_token_that_is_not_valid_gets_the_same_answer(service: LiveService) -> None:
    user, admin = service.user(), service.user(Scope.ADMIN)
    revoked, expired = service.user(), service.user()
    (listed,) = admin.http.get(f"/admin/users/{revoked.principal.user_id}/tokens").json()["tokens"]
    assert admin.http.delete(f"/admin/tokens/{listed['id']}").status_code == 204
    ended = "UPDATE api_tokens SET expires_at = now() WHERE user_id = :id"
    service.execute(ended, id=expired.principal.user_id)
    answers = [
        service.http(token).get("/datasets")
        for token in (None, "nonsense", user.token[:-1], user.token.upper(), revoked.token, expired.token)
    ]

    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["WWW-Authenticate"] for answer in answers} == {'Bearer error="invalid_token"'}
    assert len({answer.text.replace(answer.headers["X-Request-Id"], "") for answer in answers}) == 1
    assert user.http.get("/datasets").status_code == 200


def test_a_token_is_read_from_its_header_only(service: LiveService) -> None:
    token = service.user().token
    http = service.http()

    assert http.get(f"/datasets?access_token={token}").status_code == 401
    assert http.get("/datasets", headers={"Cookie": f"token={token}"}).status_code == 401


def test_a_token_is_issued_rotated_and_revoked_by_an_administrator(service: LiveService) -> None:
    admin, user = service.user(Scope.ADMIN), service.user()
    tokens = f"/admin/users/{user.principal.user_id}/tokens"
    made = admin.http.post(tokens, json={"name": "laptop", "scopes": ["exports:read"], "expires_in_days": 7}).json()
    assert service.http(made["token"]).get("/exports").status_code == 200
    assert service.http(made["token"]).get("/datasets").status_code == 403

    new = admin.http.post(f"/admin/tokens/{made['id']}/rotate", json={"overlap_seconds": 60})
    both = [service.http(secret).get("/exports").status_code for secret in (made["token"], new.json()["token"])]
    assert (new.status_code, both, new.json()["scopes"]) == (201, [200, 200], ["exports:read"])

    assert admin.http.delete(f"/admin/tokens/{new.json()['id']}").status_code == 204
    assert service.http(new.json()["token"]).get("/exports").status_code == 401
    listed = {item["id"]: item for item in admin.http.get(tokens).json()["tokens"]}
    assert listed[new.json()["id"]]["revoked_at"]
    assert listed[made["id"]]["last_used_at"]
    assert "token" not in listed[made["id"]]


def test_an_administrator_gets_the_reason_of_what_cannot_be(service: LiveService) -> None:
    admin, user = service.user(Scope.ADMIN), service.user()
    tokens = f"/admin/users/{user.principal.user_id}/tokens"
    cases = [
        (user.http.get(tokens), 403, "insufficient_scope"),
        (admin.http.post(f"/admin/users/{uuid4()}/tokens", json={"name": "a"}), 404, "user_not_found"),
        (admin.http.post(tokens, json={"name": "a", "expires_in_days": 3650}), 422, "invalid_request"),
        (admin.http.post(tokens, json={"name": "a", "scopes": ["everything"]}), 422, "invalid_request"),
        (admin.http.delete(f"/admin/tokens/{uuid4()}"), 404, "token_not_found"),
        (admin.http.post(f"/admin/tokens/{uuid4()}/rotate", json={}), 404, "token_not_found"),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer, _, _ in cases] == [
        (status, code) for _, status, code in cases
    ]


def test_a_revocation_holds_in_every_process_from_the_next_request_on(service: LiveService) -> None:
    admin, user = service.user(Scope.ADMIN), service.user()
    services = service.replica(service.services.settings)
    with serving(create_app(services)) as other:
        there = httpx.Client(base_url=f"{other}{BASE_PATH}", headers={"Authorization": f"Bearer {user.token}"})
        with there:
            assert there.get("/datasets").status_code == 200
            (token,) = admin.http.get(f"/admin/users/{user.principal.user_id}/tokens").json()["tokens"]
            admin.http.delete(f"/admin/tokens/{token['id']}")
            assert there.get("/datasets").status_code == 401
    services.close()


def test_a_disabled_user_is_refused_and_their_exports_end(service: LiveService) -> None:
    user = service.user()
    done, pending = service.made(user), user.asked()
    link = user.http.post(f"/exports/{done}/link").json()["url"]
    PostgresUserStore(service.engine).disable(user.principal.user_id)

    assert user.http.get("/exports").status_code == 401
    assert service.http().get(f"{service.base_url}{link}").status_code == 403
    stored = [service.scalar("SELECT status FROM jobs WHERE id = :id", id=job_id) for job_id in (done, pending)]
    assert stored == ["expired", "cancelled"]


def signed(claims: dict[str, Any], key: Any = SECRET, algorithm: str = "HS256", **headers: Any) -> str:
    now = datetime.now(UTC)
    usual = {"iss": ISSUER, "aud": AUDIENCE, "exp": now + timedelta(minutes=5)}
    return jwt.encode({**usual, **claims}, key, algorithm=algorithm, headers=headers)


def test_a_jwt_stands_for_the_user_it_names(service: LiveService) -> None:
    user = service.user()
    subject = str(user.principal.user_id)
    job_id = str(user.asked())

    assert service.http(signed({"sub": subject})).get("/exports").json()["exports"][0]["job_id"] == job_id
    assert service.http(signed({"sub": subject, "scope": "exports:read else"})).get("/datasets").status_code == 403


def test_a_jwt_that_is_wrong_in_any_way_is_refused(service: LiveService) -> None:
    subject = str(service.user().principal.user_id)
    past = datetime.now(UTC) - timedelta(minutes=5)
    wrong = [
        signed({"sub": subject}, key="another-secret--" * 4),
        signed({"sub": subject, "iss": "https://other.test"}),
        signed({"sub": subject, "aud": "another"}),
        signed({"sub": subject, "exp": past}),
        signed({"sub": subject, "nbf": past + timedelta(hours=1)}),
        signed({"sub": str(uuid4())}),
        signed({"sub": "not a uuid"}),
        signed({}),
        signed({"sub": subject}, algorithm="HS512"),
        jwt.encode({"iss": ISSUER, "aud": AUDIENCE, "sub": subject}, "", algorithm="none"),
    ]

    assert [service.http(token).get("/exports").status_code for token in wrong] == [401] * len(wrong)


def test_keys_are_fetched_from_the_issuer_once(tmp_path: Path, database_url: str) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    issuer, fetched = FastAPI(), []
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key()))

    @issuer.get("/keys")
    def keys() -> dict[str, Any]:
        fetched.append(1)
        return {"keys": [{**public, "kid": "k1", "use": "sig", "alg": "RS256"}]}

    with serving(issuer) as address:
        settings = {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE, "jwt_jwks_url": f"{address}/keys"}
        with live_service(tmp_path, database_url, **settings) as service:
            token = signed({"sub": str(service.user().principal.user_id)}, key, "RS256", kid="k1")
            assert [service.http(token).get("/exports").status_code for _ in range(3)] == [200] * 3
            assert len(fetched) == 1


def test_an_issuer_that_does_not_answer_is_not_the_callers_fault(tmp_path: Path, database_url: str) -> None:
    settings = {"jwt_issuer": ISSUER, "jwt_audience": AUDIENCE, "jwt_jwks_url": "http://127.0.0.1:9/keys"}
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with live_service(tmp_path, database_url, failed_tokens_per_minute=3, **settings) as service:
        user = service.user()
        away = service.http(signed({"sub": str(uuid4())}, key, "RS256", kid="k1")).get("/exports")

        assert (away.status_code, away.json()["code"]) == (503, "identity_unavailable")
        assert user.http.get("/exports").status_code == 200

        statuses = [service.http("wrong").get("/exports") for _ in range(4)]
        assert [answer.status_code for answer in statuses] == [401, 401, 401, 429]
        assert statuses[-1].headers["Retry-After"] == "60"
        assert user.http.get("/exports").status_code == 200


def test_a_user_has_only_so_many_unfinished_exports(service: LiveService) -> None:
    user = service.user()
    first = user.asked()
    user.asked()
    refused = user.ask()
    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_exports")
    assert refused.headers["Retry-After"]

    user.http.delete(f"/exports/{first}")
    assert user.ask().status_code == 202


@pytest.mark.parametrize(
    ("content", "kind", "status", "code"),
    [
        (b"x" * (256 * 2**10 + 1), "application/json", 413, "body_too_large"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b"{", "application/json", 400, "malformed_body"),
        (b'{"dataset_id": 1, "dataset_id": 2}', "application/json", 400, "malformed_body"),
        (b"[" * 100_000, "application/json", 400, "malformed_body"),
        (b"\xff", "application/json", 400, "malformed_body"),
        (b"", "application/json", 422, "invalid_request"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused(
    service: LiveService, content: bytes, kind: str, status: int, code: str
) -> None:
    refused = service.user().http.post("/exports", content=content, headers={"Content-Type": kind})

    assert (refused.status_code, refused.json()["code"]) == (status, code)


def test_filters_are_counted(service: LiveService) -> None:
    user = service.user()
    cases = [
        user.ask(account_ids=["a"] * 1001),
        user.ask(columns=["amount"] * 1001),
        user.ask(enum_filters={f"f{number}": ["a"] for number in range(21)}),
        user.ask(enum_filters={"status": ["x" * 257]}),
        user.ask(user_id=str(uuid4())),
    ]

    assert [answer.status_code for answer in cases] == [422] * len(cases)


def test_every_answer_has_the_same_guards(service: LiveService) -> None:
    http = service.user().http
    answers = [
        http.get("/datasets"),
        http.get("/nowhere"),
        http.put("/exports"),
        http.get("/healthz"),
        http.get("/docs"),
    ]

    assert [answer.status_code for answer in answers] == [200, 404, 405, 204, 200]
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cache-Control"]
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["X-Request-Id"]
        assert "Server" not in answer.headers
    assert answers[2].headers["Allow"] == "GET, POST"
    assert answers[1].headers["Content-Type"] == "application/problem+json"


def test_the_page_of_the_interface_loads_nothing_from_elsewhere(service: LiveService) -> None:
    http = service.http()
    page = http.get("/docs")
    loaded = [http.get(f"/docs/{name}") for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png")]

    assert [answer.status_code for answer in loaded] == [200] * 3
    assert "//" not in page.text.replace("<!-- `", "").replace("`", "")
    assert "http" not in page.headers["Content-Security-Policy"]
    assert http.get("/docs/../../settings.py").status_code == 404
    assert http.get("/docs/__init__.py").status_code == 404


def test_another_host_is_not_answered(service: LiveService) -> None:
    refused = service.http().get("/healthz", headers={"Host": "evil.test"})

    assert (refused.status_code, refused.json()["code"]) == (400, "unknown_host")


def test_the_log_has_a_line_for_each_answer_and_nothing_that_was_sent(
    service: LiveService, caplog: pytest.LogCaptureFixture
) -> None:
    user = service.user()
    canary = "canary-5b1e"
    with caplog.at_level(logging.INFO):
        answer = user.http.post(
            f"/exports?{canary}=1",
            json={"dataset_id": str(DATASET.id), "account_ids": [canary]},
            headers={"Idempotency-Key": canary, "User-Agent": canary},
        )
        user.http.get(f"/downloads/{canary}")
        user.http.get(f"/{canary}")
    lines = [record for record in caplog.records if record.name == "analytics_exports.access"]
    (line,) = [record for record in lines if record.__dict__["request_id"] == answer.headers["X-Request-Id"]]
    logged = {name: line.__dict__[name] for name in ("method", "route", "status", "user_id")}

    assert logged == {
        "method": "POST",
        "route": "/exports",
        "status": 422,
        "user_id": str(user.principal.user_id),
    }
    everything = " ".join(str(record.__dict__) for record in caplog.records if record.name.startswith("analytics"))
    assert canary not in everything
    assert user.token not in everything


def test_a_database_that_is_away_is_not_now(tmp_path: Path, service: LiveService) -> None:
    settings = Settings(state_dir=tmp_path, database_url="postgresql://nobody@127.0.0.1:9/none")
    services = service.replica(settings)
    with serving(create_app(services)) as address, httpx.Client(base_url=f"{address}{BASE_PATH}") as http:
        answer = http.get("/exports", headers={"Authorization": f"Bearer {service.user().token}"})
        alive = http.get("/healthz")

    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert answer.headers["Retry-After"]
    assert answer.elapsed < timedelta(seconds=3)
    assert alive.status_code == 204
    services.close()
