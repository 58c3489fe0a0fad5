"""Downloads over HTTP: whole and in parts, under conditions, by link, through nginx, and for clients that misbehave."""

import base64
import hashlib
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email import message_from_bytes
from pathlib import Path

import httpx
import pytest

from analytics_exports.api.routes.downloads import content_disposition
from analytics_exports.contract import BASE_PATH
from analytics_exports.domain.access import Scope
from analytics_exports.domain.export import JobId
from analytics_exports_tests.live_service import Caller, LiveService, live_service
from analytics_exports_tests.waiting import until

LARGE = 64 * 2**20


class File:
    """A finished export and its bytes."""

    def __init__(self, service: LiveService) -> None:
        self.service = service
        self.owner: Caller = service.user()
        self.job_id: JobId = service.made(
            self.owner, format="csv", csv={"bom": False}, start_date="2024-01-01", end_date="2024-12-31"
        )
        self.path = f"/exports/{self.job_id}/download"
        self.content = self.get().content
        self.etag = f'"{hashlib.sha256(self.content).hexdigest()}"'

    def get(self, **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.owner.http.get(self.path, headers=named)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory, module_database_url: str) -> Iterator[File]:
    folder = tmp_path_factory.mktemp("state")
    with live_service(folder, module_database_url, downloads_per_user=2) as service:
        yield File(service)


def test_a_download_says_what_it_is(file: File) -> None:
    answer = file.get()
    digest = base64.b64encode(hashlib.sha256(answer.content).digest()).decode()

    assert answer.status_code == 200
    assert answer.headers["ETag"] == file.etag
    assert answer.headers["Repr-Digest"] == f"sha-256=:{digest}:"
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert answer.headers["Content-Disposition"] == (
        'attachment; filename="fct_transactions_2024-01-01_2024-12-31.csv"; '
        "filename*=UTF-8''fct_transactions_2024-01-01_2024-12-31.csv"
    )
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "sandbox; default-src 'none'"


def test_head_says_the_same_and_sends_nothing(file: File) -> None:
    whole, head = file.get(), file.owner.http.head(file.path)
    own = {"date", "x-request-id"}

    assert (head.status_code, head.content) == (200, b"")
    assert {name: value for name, value in head.headers.items() if name not in own} == {
        name: value for name, value in whole.headers.items() if name not in own
    }


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=10-", slice(10, None)),
        ("bytes=-5", slice(-5, None)),
        ("bytes=3-999999999", slice(3, None)),
        ("bytes=0-4,5-9", slice(0, 10)),
    ],
)
def test_one_range_is_that_part(file: File, asked: str, part: slice) -> None:
    answer = file.get(Range=asked)
    start, stop, _ = part.indices(len(file.content))

    assert (answer.status_code, answer.content) == (206, file.content[part])
    assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(file.content)}"
    assert answer.headers["ETag"] == file.etag


def test_several_ranges_are_several_parts(file: File) -> None:
    answer = file.get(Range="bytes=0-3, 10-13")
    kind = answer.headers["Content-Type"]
    message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + answer.content)
    found = [
        (part["Content-Range"], part.get_payload(decode=True)) for part in message.walk() if "Content-Range" in part
    ]

    assert answer.status_code == 206
    assert kind.startswith("multipart/byteranges; boundary=")
    assert found == [
        (f"bytes 0-3/{len(file.content)}", file.content[:4]),
        (f"bytes 10-13/{len(file.content)}", file.content[10:14]),
    ]
    assert len(answer.content) == int(answer.headers["Content-Length"])


@pytest.mark.parametrize("asked", ["bytes=9-1", "bytes=x", "rows=0-1", "bytes=" + ",".join(["0-0"] * 3000)])
def test_a_range_that_means_nothing_is_the_whole_file(file: File, asked: str) -> None:
    answer = file.get(Range=asked)

    assert (answer.status_code, answer.content) == (200, file.content)


def test_a_range_outside_of_the_file_says_how_long_it_is(file: File) -> None:
    answer = file.get(Range="bytes=999999-")

    assert (answer.status_code, answer.json()["code"]) == (416, "range_not_satisfiable")
    assert answer.headers["Content-Range"] == f"bytes */{len(file.content)}"


def test_a_range_of_another_version_is_the_whole_file(file: File) -> None:
    assert file.get(Range="bytes=0-1", If_Range=file.etag).status_code == 206
    for other in ('"other"', f"W/{file.etag}", "Wed, 21 Oct 2099 07:28:00 GMT"):
        assert file.get(Range="bytes=0-1", If_Range=other).status_code == 200


def test_conditions_are_kept(file: File) -> None:
    unchanged = file.get(If_None_Match=f'"other", W/{file.etag}')
    changed = file.get(If_Match='"other"')

    assert (unchanged.status_code, unchanged.content, unchanged.headers["ETag"]) == (304, b"", file.etag)
    assert (changed.status_code, changed.json()["code"]) == (412, "precondition_failed")
    assert file.get(If_Match=file.etag).status_code == 200
    assert file.get(If_Match="*", If_None_Match='"other"').status_code == 200


def test_what_has_no_file_says_why(file: File) -> None:
    pending, cancelled, expired = (file.owner.asked() for _ in range(3))
    file.owner.http.delete(f"/exports/{cancelled}")
    file.service.make(expired)
    file.owner.http.delete(f"/exports/{expired}")
    found = []
    for job_id in (pending, cancelled, expired):
        answer = file.owner.http.get(f"/exports/{job_id}/download")
        found.append((answer.status_code, answer.json()["code"], answer.headers.get("Retry-After")))

    assert found == [(409, "export_not_ready", "1"), (409, "export_unavailable", None), (410, "export_expired", None)]


def test_a_file_that_is_gone_before_its_time_is_gone(file: File) -> None:
    job_id = file.service.made(file.owner)
    job = file.service.jobs.load(job_id)
    assert job
    assert job.artifact
    file.service.artifacts.remove(job.artifact.output_path)

    assert file.owner.http.get(f"/exports/{job_id}/download").status_code == 410
    assert file.owner.status(job_id)["status"] == "expired"


def test_expiry_does_not_break_a_download_in_progress(file: File) -> None:
    job_id = file.service.made(file.owner, format="csv")
    with file.owner.http.stream("GET", f"/exports/{job_id}/download") as answer:
        assert file.owner.http.delete(f"/exports/{job_id}").status_code == 204
        content = answer.read()

    assert f'"{hashlib.sha256(content).hexdigest()}"' == answer.headers["ETag"]


def test_a_link_needs_no_token_and_is_good_for_one_file(file: File) -> None:
    made = file.owner.http.post(f"/exports/{file.job_id}/link").json()
    stranger = file.service.http()
    url = f"{file.service.base_url}{made['url']}"
    altered = f"{url[:-2]}{'A' if url[-2] != 'A' else 'B'}{url[-1]}"  # not the last one, which Base64 does not fill

    assert stranger.get(url).content == file.content
    assert stranger.get(url, headers={"Range": "bytes=0-3"}).content == file.content[:4]
    refused = stranger.get(altered)
    assert (refused.status_code, refused.json()["code"]) == (403, "invalid_link")
    assert file.service.user().http.post(f"/exports/{file.job_id}/link").status_code == 404


def test_a_link_ends(file: File) -> None:
    job = file.service.jobs.load(file.job_id)
    assert job
    late = replace(file.service.services.downloads, clock=lambda: time.time() - 600)
    link = late.create_link(file.owner.principal, file.job_id)

    assert file.service.http().get(f"/downloads/{link.secret}").status_code == 403


def test_each_transfer_is_noted(file: File) -> None:
    job_id = file.service.made(file.owner, format="csv")
    size = len(file.owner.http.get(f"/exports/{job_id}/download").content)
    file.owner.http.get(f"/exports/{job_id}/download", headers={"Range": "bytes=2-5"})
    made = file.owner.http.post(f"/exports/{job_id}/link").json()
    file.service.http().get(f"{file.service.base_url}{made['url']}")
    noted = "SELECT string_agg(first_byte || '+' || byte_count || ' ' || by_link, ', ' ORDER BY id) FROM downloads"

    assert file.service.scalar(f"{noted} WHERE job_id = :id", id=job_id) == f"0+{size} false, 2+4 false, 0+{size} true"


def test_a_scope_is_needed(file: File) -> None:
    refused = file.service.user(Scope.EXPORTS_READ).http.get(file.path)

    assert (refused.status_code, refused.json()["code"]) == (403, "insufficient_scope")


def stalled(url: str, owner: Caller, job_id: JobId) -> socket.socket:
    """A client that asks for a file and reads nothing but the first line of the answer."""
    address = httpx.URL(url)
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((address.host, address.port or 0))
    line = f"GET {BASE_PATH}/exports/{job_id}/download HTTP/1.1"
    client.sendall(f"{line}\r\nHost: {address.host}\r\nAuthorization: Bearer {owner.token}\r\n\r\n".encode())
    assert client.recv(12) == b"HTTP/1.1 200"
    return client


def everywhere(service: LiveService, holds: Callable[[], bool]) -> bool:
    """Whether it holds on each replica: they answer in turn."""
    return all(holds() for _ in service.base_urls)


def test_a_user_has_only_so_many_downloads_at_once(file: File) -> None:
    job_id = large_file(file.service, file.owner)
    clients = [stalled(url, file.owner, job_id) for url in file.service.base_urls for _ in range(2)]
    until(lambda: everywhere(file.service, lambda: file.get(Range="bytes=0-0").status_code == 429))
    refused = file.get()
    assert refused.json()["code"] == "too_many_downloads"
    assert refused.headers["Retry-After"]
    assert file.service.user().http.get("/exports").status_code == 200

    for client in clients:
        client.close()
    until(lambda: everywhere(file.service, lambda: file.get().status_code == 200))


def test_a_client_that_takes_nothing_is_hung_up_on(tmp_path: Path, database_url: str) -> None:
    with live_service(tmp_path, database_url, downloads_per_user=1, download_stall_seconds=0.2) as service:
        owner = service.user()
        small = service.made(owner)
        with stalled(service.base_url, owner, large_file(service, owner)) as client:
            path = f"/exports/{small}/download"
            until(lambda: everywhere(service, lambda: owner.http.get(path).status_code == 200))
            received = 0
            while chunk := client.recv(2**20):
                received += len(chunk)

    assert 0 < received < LARGE


def large_file(service: LiveService, owner: Caller) -> JobId:
    """An export whose file is too large for the buffers of a connection."""
    return service.make(owner.asked(format="csv"), size=LARGE)


def test_nginx_can_send_the_file(tmp_path: Path, database_url: str) -> None:
    with live_service(tmp_path, database_url, accel_redirect="/artifacts/") as service:
        owner = service.user()
        job_id = service.made(owner, format="csv")
        answer = owner.http.get(f"/exports/{job_id}/download")

        assert answer.headers["X-Accel-Redirect"] == f"/artifacts/exports/{owner.principal.user_id}/{job_id}.csv"
        assert answer.content == b""
        assert answer.headers["Content-Disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("plain.csv", "attachment; filename=\"plain.csv\"; filename*=UTF-8''plain.csv"),
        ("Käufe.csv", "attachment; filename=\"K_ufe.csv\"; filename*=UTF-8''K%C3%A4ufe.csv"),
        ('a"\r\nb.csv', "attachment; filename=\"a___b.csv\"; filename*=UTF-8''a%22%0D%0Ab.csv"),
    ],
)
def test_a_file_name_cannot_break_out_of_its_header(name: str, header: str) -> None:
    assert content_disposition(name) == header
