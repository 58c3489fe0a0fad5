"""Downloading: whole and checked or not at all, resumed where it broke off, begun anew when the file is another one."""

import hashlib
from http import HTTPStatus
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_exports.client import Client, Retries
from analytics_exports.client.errors import DamagedFile, ServiceUnreachable, UnexpectedAnswer
from analytics_exports.client.partial_file import PartialFile
from analytics_exports.domain.errors import ExportExpired, WarehouseBusy
from analytics_exports_tests.fakes.service import CONTENT, FakeService, connected, problem, unavailable

SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture(params=["blocking", "asynchronous"])
def client(request: pytest.FixtureRequest, service: FakeService) -> Client:
    return connected(request.param, service)


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def ranges(service: FakeService) -> list[str | None]:
    return [request.headers.get("Range") for request in service.asked("GET", "/download")]


def test_a_file_arrives_whole_with_its_progress(client: Client, service: FakeService, tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    path = client.get(service.job_id).download(tmp_path / "a.parquet", progress=lambda *progress: seen.append(progress))

    assert path.read_bytes() == CONTENT
    assert left_in(tmp_path) == ["a.parquet"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert seen == sorted(seen)


def test_a_folder_gets_the_name_the_service_suggests(client: Client, service: FakeService, tmp_path: Path) -> None:
    assert client.get(service.job_id).download(tmp_path) == tmp_path / "sales.parquet"


@pytest.mark.parametrize("header", ["", "attachment", 'attachment; filename=".."', 'attachment; filename="a/"'])
def test_a_folder_gets_a_name_even_without_a_usable_one(service: FakeService, tmp_path: Path, header: str) -> None:
    service.file_name = header

    path = connected("blocking", service).get(service.job_id).download(tmp_path)

    assert path == tmp_path / f"{service.job_id}.parquet"


def test_no_suggested_name_leads_out_of_the_folder(service: FakeService, tmp_path: Path) -> None:
    service.file_name = r'attachment; filename="..\../../evil.csv"'

    assert connected("blocking", service).get(service.job_id).download(tmp_path).parent == tmp_path


def test_a_broken_transfer_goes_on_where_it_stopped(client: Client, service: FakeService, tmp_path: Path) -> None:
    service.cuts.extend([1000, 500, 3000])
    path = client.get(service.job_id).download(tmp_path / "a")

    assert path.read_bytes() == CONTENT
    assert ranges(service) == [None, "bytes=1000-", "bytes=1500-", "bytes=4500-"]
    conditions = [request.headers.get("If-Range") for request in service.asked("GET", "/download")]
    assert conditions == [None, *[f'"{SHA256}"'] * 3]


def test_transfers_that_bring_something_are_continued_without_end(service: FakeService, tmp_path: Path) -> None:
    service.cuts.extend([300] * 30)
    export = connected("blocking", service, Retries(attempts=1)).get(service.job_id)

    assert export.download(tmp_path / "a").read_bytes() == CONTENT


def test_transfers_that_bring_nothing_are_given_up(client: Client, service: FakeService, tmp_path: Path) -> None:
    service.cuts.extend([700, *[0] * 9])
    with pytest.raises(ServiceUnreachable):
        client.get(service.job_id).download(tmp_path / "a")

    assert ranges(service) == [None, *["bytes=700-"] * 5]
    assert not (tmp_path / "a").exists()


def test_another_process_goes_on_with_what_one_left(client: Client, service: FakeService, tmp_path: Path) -> None:
    service.cuts.extend([2000, *[0] * 9])
    with pytest.raises(ServiceUnreachable):
        client.get(service.job_id).download(tmp_path / "a")
    service.requests.clear()
    service.cuts.clear()

    connected("blocking", service).get(service.job_id).download(tmp_path / "a")

    assert ranges(service) == ["bytes=2000-"]
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert left_in(tmp_path) == ["a"]


def test_a_service_that_cannot_resume_is_asked_for_everything(service: FakeService, tmp_path: Path) -> None:
    service.resumable = False
    service.cuts.append(1000)
    path = connected("blocking", service).get(service.job_id).download(tmp_path / "a")

    assert path.read_bytes() == CONTENT
    assert ranges(service) == [None, "bytes=1000-"]


def test_a_file_that_was_made_anew_is_begun_anew(client: Client, service: FakeService, tmp_path: Path) -> None:
    def make_anew() -> None:
        service.content = CONTENT[::-1]

    export = client.get(service.job_id)
    service.cuts.append(1000)
    service.instead.extend([lambda: None, make_anew])
    path = export.download(tmp_path / "a")

    assert path.read_bytes() == CONTENT[::-1]
    assert left_in(tmp_path) == ["a"]
    assert ranges(service) == [None, "bytes=1000-", None]


def test_a_file_that_keeps_changing_is_given_up(service: FakeService, tmp_path: Path) -> None:
    def make_anew() -> None:
        service.content += b"x"

    export = connected("blocking", service).get(service.job_id)
    service.instead.extend([make_anew, lambda: None] * 3)
    with pytest.raises(DamagedFile):
        export.download(tmp_path / "a")

    assert left_in(tmp_path) == []


def test_a_wrong_checksum_leaves_nothing(client: Client, service: FakeService, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"what was there before")
    service.promised = "0" * 64
    with pytest.raises(DamagedFile):
        client.get(service.job_id).download(tmp_path / "a")

    assert ranges(service) == [None, None]
    assert left_in(tmp_path) == ["a"]
    assert (tmp_path / "a").read_bytes() == b"what was there before"


def test_damaged_bytes_of_an_earlier_download_are_replaced(service: FakeService, tmp_path: Path) -> None:
    damaged = PartialFile(tmp_path / "a", SHA256, len(CONTENT))
    damaged.write(b"?" * 1000)
    damaged.close()
    path = connected("blocking", service).get(service.job_id).download(tmp_path / "a")

    assert path.read_bytes() == CONTENT
    assert ranges(service) == ["bytes=1000-", None]


def test_an_answer_from_another_place_is_refused(service: FakeService, tmp_path: Path) -> None:
    service.cuts.append(1000)
    elsewhere = {"ETag": f'"{SHA256}"', "Content-Range": f"bytes 999-{len(CONTENT) - 1}/{len(CONTENT)}"}
    export = connected("blocking", service).get(service.job_id)
    service.instead.extend([lambda: None, httpx.Response(HTTPStatus.PARTIAL_CONTENT, headers=elsewhere)])

    with pytest.raises(UnexpectedAnswer):
        export.download(tmp_path / "a")


def test_an_empty_body_is_not_asked_for_again_for_ever(service: FakeService, tmp_path: Path) -> None:
    export = connected("blocking", service).get(service.job_id)
    service.instead.append(httpx.Response(HTTPStatus.OK))

    with pytest.raises(UnexpectedAnswer):
        export.download(tmp_path / "a")


def test_a_busy_service_is_asked_again(client: Client, service: FakeService, tmp_path: Path) -> None:
    export = client.get(service.job_id)
    service.instead.append(unavailable(WarehouseBusy))

    assert export.download(tmp_path / "a").read_bytes() == CONTENT


def test_an_expired_file_is_named_as_such(client: Client, service: FakeService, tmp_path: Path) -> None:
    export = client.get(service.job_id)
    service.status = "expired"
    with pytest.raises(ExportExpired):
        export.download(tmp_path / "a")

    assert not (tmp_path / "a").exists()


def test_an_error_in_place_of_the_file_is_not_taken_for_it(service: FakeService, tmp_path: Path) -> None:
    export = connected("blocking", service).get(service.job_id)
    service.instead.append(problem(HTTPStatus.GONE, "export_expired"))
    with pytest.raises(ExportExpired):
        export.download(tmp_path / "a")

    assert not (tmp_path / "a").exists()


def test_a_folder_that_is_not_there_is_an_ordinary_error(service: FakeService, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        connected("blocking", service).get(service.job_id).download(tmp_path / "missing" / "a")


@given(cuts=st.lists(st.integers(1, 3000), max_size=12), content=st.binary(min_size=1, max_size=5000))
def test_however_often_it_breaks_the_file_is_the_same(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int], content: bytes
) -> None:
    service = FakeService()
    service.content = content
    service.cuts.extend(cuts)
    folder = tmp_path_factory.mktemp("download")
    path = connected("blocking", service).get(service.job_id).download(folder / "a")

    assert path.read_bytes() == content
    assert left_in(folder) == ["a"]
