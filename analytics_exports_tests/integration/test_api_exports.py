"""Exports over HTTP: creating, waiting, polling, listing, cancelling, retrying."""

import hashlib
import threading
from collections.abc import Iterator
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import func, select, text

from analytics_exports.database.owner_jobs import key_lock
from analytics_exports.domain.export import IdempotencyKey
from analytics_exports.services.retention import KEY_RETENTION
from analytics_exports_tests.live_service import DATASET, Caller, LiveService, live_service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[LiveService]:
    with live_service(tmp_path_factory.mktemp("state"), module_database_url) as service:
        yield service


def exports_of(service: LiveService, *callers: Caller) -> int:
    ids = [caller.principal.user_id for caller in callers]
    count: int = service.scalar("SELECT count(*) FROM jobs WHERE user_id = ANY(:ids)", ids=ids)
    return count


def test_an_export_is_asked_for_followed_and_completed(service: LiveService) -> None:
    owner = service.user()
    accepted = owner.ask(format="csv", start_date="2024-01-01", end_date="2024-12-31")

    assert (accepted.status_code, accepted.json()["status"]) == (202, "pending")
    assert accepted.json()["message"] == "Export job created"
    assert accepted.headers["Retry-After"] == "1"
    followed = owner.http.get(f"{service.base_url}{accepted.headers['Location']}")
    assert followed.json()["progress"]["queue_position"] >= 1
    job_id = followed.json()["job_id"]

    service.make(job_id)
    done = owner.status(job_id)
    assert (done["status"], done["row_count"], done["progress"]) == ("completed", 2, None)
    assert done["filters"] == {"start_date": "2024-01-01", "end_date": "2024-12-31"}
    assert done["download_url"].endswith(f"/exports/{job_id}/download")


@pytest.mark.parametrize("format", ["csv", "parquet", "ndjson", "arrow", "xlsx"])
def test_every_format_can_be_asked_for_and_downloaded(service: LiveService, format: str) -> None:
    owner = service.user()
    job_id = service.made(owner, format=format)
    file = owner.http.get(f"/exports/{job_id}/download")

    assert file.status_code == 200
    assert file.headers["Content-Type"] == next(
        item["media_type"] for item in owner.http.get("/formats").json()["formats"] if item["format"] == format
    )
    assert len(file.content) == owner.status(job_id)["file_size_bytes"]


def test_options_of_a_format_are_checked_by_the_format(service: LiveService) -> None:
    owner = service.user()
    kept = owner.status(owner.asked(format="csv", csv={"delimiter": ";"}, compression="gzip"))
    refused = owner.ask(format="parquet", csv={"delimiter": ";"})

    assert kept["options"] == {"csv": {"delimiter": ";"}, "compression": "gzip"}
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["pointer"].startswith("/csv")


def test_the_same_key_makes_one_export(service: LiveService) -> None:
    owner, other = service.user(), service.user()
    key = {"Idempotency-Key": "one"}
    first, again = owner.ask(headers=key), owner.ask(headers=key)
    others = other.ask(headers=key)

    assert first.json()["job_id"] == again.json()["job_id"] != others.json()["job_id"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert owner.ask(headers=key, format="parquet").json()["code"] == "idempotency_key_reused"
    assert exports_of(service, owner, other) == 2


def test_a_key_is_replayed_also_after_its_export_has_ended(service: LiveService) -> None:
    owner, key = service.user(), {"Idempotency-Key": "one"}
    job_id = service.made(owner, headers=key)
    again = owner.ask(headers=key)

    assert (again.json()["job_id"], again.json()["status"]) == (str(job_id), "completed")


def test_a_key_whose_request_is_being_answered_conflicts(service: LiveService) -> None:
    owner, key = service.user(), {"Idempotency-Key": "one"}
    idempotency_key = IdempotencyKey(hashlib.sha256(b"one").digest(), b"")
    with service.engine.begin() as connection:
        connection.execute(select(func.pg_advisory_xact_lock(key_lock(owner.principal.user_id, idempotency_key))))
        busy = owner.ask(headers=key)

    assert (busy.status_code, busy.json()["code"]) == (409, "idempotency_key_in_use")
    assert busy.headers["Retry-After"] == "1"
    assert owner.ask(headers=key).status_code == 202


def test_requests_with_one_key_at_once_make_one_export(service: LiveService) -> None:
    owner = service.user()
    answers: list[httpx.Response] = []
    clients = [service.http(owner.token) for _ in range(8)]

    def ask(number: int) -> None:
        body = {"dataset_id": str(DATASET.id)}
        answers.append(clients[number].post("/exports", json=body, headers={"Idempotency-Key": "one"}))

    threads = [threading.Thread(target=ask, args=[number]) for number in range(len(clients))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert {answer.status_code for answer in answers} <= {202, 409}
    assert len({answer.json()["job_id"] for answer in answers if answer.status_code == 202}) == 1
    assert exports_of(service, owner) == 1


def test_a_key_is_forgotten_after_a_day(service: LiveService) -> None:
    owner, key = service.user(), {"Idempotency-Key": "one"}
    first = owner.asked(headers=key)
    service.expire()
    assert owner.asked(headers=key) == first

    assert service.jobs.delete_idempotency_keys(timedelta(0))
    assert owner.asked(headers=key) != first
    assert timedelta(hours=24) <= KEY_RETENTION


@pytest.mark.parametrize("key", [b"", b"x" * 256, "ünïcode".encode(), b"tab\there"])
def test_a_key_that_is_none_is_refused(service: LiveService, key: bytes) -> None:
    refused = service.user().http.post(
        "/exports", json={"dataset_id": str(DATASET.id)}, headers=[(b"Idempotency-Key", key)]
    )

    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_idempotency_key")


def test_a_caller_who_waits_is_answered_as_soon_as_the_export_has_ended(service: LiveService) -> None:
    owner = service.user()
    job_id = owner.asked()
    maker = threading.Timer(0.3, service.make, [job_id])
    maker.start()
    response = owner.http.get(f"/exports/{job_id}", headers={"Prefer": "respond-async, wait=15"})
    maker.join()

    assert response.json()["status"] == "completed"
    assert response.headers["Preference-Applied"] == "wait=15"
    assert response.elapsed < timedelta(seconds=5)
    assert "Retry-After" not in response.headers


def test_a_request_that_waits_for_its_export_is_answered_with_its_status(service: LiveService) -> None:
    owner = service.user()

    def make_the_next() -> None:
        while not (jobs := owner.http.get("/exports").json()["exports"]):
            pass
        service.make(jobs[0]["job_id"])

    maker = threading.Thread(target=make_the_next)
    maker.start()
    done = service.http(owner.token).post(
        "/exports", json={"dataset_id": str(DATASET.id)}, headers={"Prefer": "wait=15"}
    )
    maker.join()

    assert (done.status_code, done.json()["status"]) == (200, "completed")
    assert done.headers["Content-Location"] == done.headers["Location"]
    assert done.headers["Preference-Applied"] == "wait=15"


def test_whoever_waited_long_enough_is_advised_to_ask_again(service: LiveService) -> None:
    waited = service.user().ask(headers={"Prefer": "wait=1"})

    assert (waited.status_code, waited.headers["Retry-After"]) == (202, "1")
    assert waited.headers["Preference-Applied"] == "wait=1"
    assert timedelta(seconds=0.9) < waited.elapsed < timedelta(seconds=5)


def test_the_pause_grows_with_the_age_of_the_export(service: LiveService) -> None:
    owner = service.user()
    job_id, pauses = owner.asked(), []
    for age in (0, 20, 60, 3600):
        with service.engine.begin() as connection:
            connection.execute(text("SET LOCAL session_replication_role = replica"))  # without the table's triggers
            older = "UPDATE jobs SET created_at = now() - make_interval(secs => :age) WHERE id = :id"
            connection.execute(text(older), {"age": age, "id": job_id})
        pauses.append(owner.http.get(f"/exports/{job_id}").headers["Retry-After"])

    assert pauses == ["1", "4", "12", "30"]


def test_a_status_that_has_not_changed_is_not_sent_again(service: LiveService) -> None:
    owner = service.user()
    job_id = owner.asked()
    etag = owner.http.get(f"/exports/{job_id}").headers["ETag"]
    same = owner.http.get(f"/exports/{job_id}", headers={"If-None-Match": f'"other", {etag}'})
    service.make(job_id)
    changed = owner.http.get(f"/exports/{job_id}", headers={"If-None-Match": etag})

    assert (same.status_code, same.content, same.headers["ETag"]) == (304, b"", etag)
    assert same.headers["Retry-After"] == "1"
    assert changed.status_code == 200
    assert changed.headers["ETag"] != etag


def test_progress_moves_while_an_export_is_made(service: LiveService) -> None:
    owner = service.user()
    first, second = owner.asked(), owner.asked()
    position = owner.status(second)["progress"]["queue_position"]
    assert position > owner.status(first)["progress"]["queue_position"]

    service.jobs.lease_pending(1000, timedelta(seconds=9))
    _, claim = service.jobs.claim(first, "run", timedelta(seconds=9))
    assert owner.status(first)["progress"]["stage"] == "reading"
    seen = []
    for written in (25, 100):
        progress = {"rows_written": written, "bytes_written": 10 * written, "rows_total": 100}
        assert service.jobs.renew(claim, timedelta(seconds=9), progress)
        seen.append(owner.status(first)["progress"])

    assert [(item["stage"], item["percent"], item["bytes_written"]) for item in seen] == [
        ("writing", 25, 250),
        ("finishing", 100, 1000),
    ]
    assert owner.status(second)["progress"]["queue_position"] == position - 1


def test_the_list_is_paged_by_links_and_holds_only_the_callers(service: LiveService) -> None:
    owner, other = service.user(), service.user()
    made = [str(owner.asked(format=kind)) for kind in ("csv", "parquet", "csv", "csv", "csv")]
    other.asked()
    seen, url = [], "/exports?format=csv&limit=2"
    while url:
        page = owner.http.get(url)
        seen += [item["job_id"] for item in page.json()["exports"]]
        url = f"{service.base_url}{page.links['next']['url']}" if page.links else ""
        assert bool(url) == (page.json()["next_cursor"] is not None)

    assert seen == [made[4], made[3], made[2], made[0]]


def test_a_cursor_is_only_good_for_its_user_and_its_filters(service: LiveService) -> None:
    owner, other = service.user(), service.user()
    for _ in range(2):
        owner.asked()
    cursor = owner.http.get("/exports?limit=1").json()["next_cursor"]

    for caller, query in ((other, ""), (owner, "&format=csv"), (owner, "&status=pending")):
        refused = caller.http.get(f"/exports?limit=1&cursor={cursor}{query}")
        assert refused.status_code == 422
        assert refused.json()["errors"][0]["pointer"] == "/cursor"
    assert owner.http.get(f"/exports?limit=1&cursor={cursor}").status_code == 200


def test_an_unfinished_export_is_cancelled_and_can_be_asked_for_once_more(service: LiveService) -> None:
    owner = service.user()
    job_id = owner.asked(format="csv", columns=["amount"])
    for _ in range(2):
        cancelled = owner.http.delete(f"/exports/{job_id}")
        assert (cancelled.status_code, cancelled.json()["status"]) == (202, "cancelled")
    again = owner.http.post(f"/exports/{job_id}/retry")
    status = owner.status(again.json()["job_id"])

    assert again.status_code == 202
    assert (status["retry_of"], status["status"], status["filters"]) == (
        str(job_id),
        "pending",
        {"columns": ["amount"]},
    )


def test_only_what_has_no_file_can_be_asked_for_once_more(service: LiveService) -> None:
    owner = service.user()
    for job_id in (owner.asked(), service.made(owner)):
        refused = owner.http.post(f"/exports/{job_id}/retry")
        assert (refused.status_code, refused.json()["code"]) == (409, "export_conflict")


def test_a_retry_with_a_key_makes_one_export(service: LiveService) -> None:
    owner, key = service.user(), {"Idempotency-Key": "again"}
    job_id = owner.asked()
    owner.http.delete(f"/exports/{job_id}")
    first, second = (owner.http.post(f"/exports/{job_id}/retry", headers=key) for _ in range(2))

    assert first.json()["job_id"] == second.json()["job_id"]
    assert second.headers["Idempotency-Replayed"] == "true"


def test_the_file_of_a_finished_export_can_be_removed(service: LiveService) -> None:
    owner = service.user()
    job_id = service.made(owner)
    path = service.jobs.load(job_id)

    assert owner.http.delete(f"/exports/{job_id}").status_code == 204
    assert owner.status(job_id)["status"] == "expired"
    assert owner.http.get(f"/exports/{job_id}/download").status_code == 410
    assert path
    assert path.artifact
    assert service.artifacts.open(path.artifact.output_path) is None


def test_what_is_somebody_elses_is_not_there(service: LiveService) -> None:
    owner, other = service.user(), service.user()
    job_id = service.made(owner)
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/download"), ("POST", "/retry"), ("POST", "/link")):
        foreign, unknown = (other.http.request(method, f"/exports/{some}{path}") for some in (job_id, uuid4()))
        bodies = [answer.text.replace(answer.headers["X-Request-Id"], "") for answer in (foreign, unknown)]

        assert (foreign.status_code, unknown.status_code) == (404, 404)
        assert bodies[0] == bodies[1]
    assert owner.status(job_id)["status"] == "completed"


def test_an_estimate_stores_nothing(service: LiveService) -> None:
    owner = service.user()
    estimate = owner.http.post(
        "/exports/estimate", json={"dataset_id": str(DATASET.id), "format": "csv", "end_date": "2024-12-31"}
    )

    assert (estimate.status_code, estimate.json()["row_count"]) == (200, 2)
    assert exports_of(service, owner) == 0


def test_who_did_what_is_kept(service: LiveService) -> None:
    owner = service.user()
    job_id = owner.asked()
    owner.http.delete(f"/exports/{job_id}")
    trail = "SELECT array_agg(actor || ' ' || actor_id || ' ' || to_status ORDER BY id) FROM job_events"
    user_id = service.scalar("SELECT user_id::text FROM jobs WHERE id = :id", id=job_id)

    assert service.scalar(f"{trail} WHERE job_id = :id", id=job_id) == [
        f"owner {user_id} pending",
        f"owner {user_id} cancelled",
    ]
