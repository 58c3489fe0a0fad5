"""One request and its response: what is retried and when, which errors are raised, and where the token never is."""

import asyncio
import logging
import pickle
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from uuid import UUID, uuid4

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_exports.client import Answered, AsyncClient, Client, Retries
from analytics_exports.client.errors import CODES, ServiceUnreachable, UnexpectedAnswer
from analytics_exports.client.exchange import service_url
from analytics_exports.client.options import ExportOptions, ListOptions, SelectionOptions, create_body, preview_params
from analytics_exports.client.retrying import retry_after
from analytics_exports.client.transport import run
from analytics_exports.contract import BASE_PATH
from analytics_exports.contract.requests import ExportCreate, ExportsQuery, SelectionFields
from analytics_exports.domain import errors
from analytics_exports.domain.errors import (
    ExportError,
    ExportNotFound,
    FieldProblem,
    InvalidRequest,
    InvalidToken,
    Refused,
    Unavailable,
    WarehouseBusy,
)
from analytics_exports.domain.formats import Format
from analytics_exports_tests.fakes.service import (
    DATASET,
    TOKEN,
    URL,
    FakeService,
    connected,
    noting,
    problem,
    unavailable,
)

LOST = httpx.ConnectError("refused")


@pytest.fixture
def service() -> FakeService:
    return FakeService()


@pytest.fixture(params=["blocking", "asynchronous"])
def client(request: pytest.FixtureRequest, service: FakeService) -> Client:
    return connected(request.param, service)


def pauses(service: FakeService) -> list[float]:
    """The pauses that getting an export through ``service`` takes."""
    exchange, noted = noting(service)
    run(exchange.send(exchange.request("GET", f"/exports/{service.job_id}")))
    return noted


@pytest.mark.parametrize(
    "obstacle",
    [
        unavailable(WarehouseBusy),
        problem(HTTPStatus.TOO_MANY_REQUESTS, "too_many_exports", retry_after="0"),
        httpx.Response(HTTPStatus.BAD_GATEWAY, text="<h1>Bad gateway</h1>"),
        httpx.Response(HTTPStatus.GATEWAY_TIMEOUT),
        LOST,
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("closed"),
    ],
    ids=str,
)
def test_what_passes_is_tried_again(client: Client, service: FakeService, obstacle: httpx.Response | Exception) -> None:
    service.instead.append(obstacle)

    assert client.get(service.job_id).facts.job_id == service.job_id
    assert len(service.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        problem(HTTPStatus.UNAUTHORIZED, "invalid_token"),
        problem(HTTPStatus.NOT_FOUND, "export_not_found"),
        problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal_error"),
        httpx.Response(HTTPStatus.INTERNAL_SERVER_ERROR),
        httpx.Response(HTTPStatus.FOUND, headers={"Location": "http://elsewhere.test/"}),
    ],
    ids=str,
)
def test_what_stays_is_not_tried_again(client: Client, service: FakeService, answer: httpx.Response) -> None:
    service.instead.append(answer)
    with pytest.raises(ExportError):
        client.get(service.job_id)

    assert len(service.requests) == 1


def test_retries_are_limited(client: Client, service: FakeService) -> None:
    service.instead.extend([LOST] * 9)
    with pytest.raises(ServiceUnreachable) as caught:
        client.get(service.job_id)

    assert isinstance(caught.value.__cause__, httpx.ConnectError)
    assert len(service.requests) == Retries().attempts


def test_a_post_that_is_sent_again_creates_once(client: Client, service: FakeService) -> None:
    service.instead.extend([LOST, unavailable(WarehouseBusy)])
    client.export(DATASET)

    keys = [request.headers["Idempotency-Key"] for request in service.asked("POST", "/exports")]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert UUID(keys[0].strip('"')).version == 4


def test_every_post_has_a_key_of_its_own(client: Client, service: FakeService) -> None:
    client.export(DATASET)
    client.export(DATASET)

    assert len(service.created) == 2


def test_pauses_grow_and_are_never_in_step(service: FakeService) -> None:
    service.instead.extend([LOST] * 4)
    first = pauses(service)
    service.instead.extend([LOST] * 4)

    assert first != pauses(service)
    for number, seconds in enumerate(first):
        assert 0.25 * 2**number <= seconds <= 0.5 * 2**number


def test_a_pause_is_at_least_as_long_as_the_service_asks(service: FakeService) -> None:
    service.instead.append(unavailable(WarehouseBusy, retry_after="7"))

    (seconds,) = pauses(service)
    assert 7 <= seconds < 8


def test_a_service_that_asks_for_a_long_pause_is_taken_at_its_word(service: FakeService) -> None:
    service.instead.append(unavailable(WarehouseBusy, retry_after="3600"))
    with pytest.raises(WarehouseBusy) as caught:
        connected("blocking", service).get(service.job_id)

    assert isinstance(caught.value.__cause__, Answered)
    assert caught.value.__cause__.retry_after == 3600
    assert len(service.requests) == 1


@given(attempt=st.integers(1, 100), asked=st.none() | st.floats(0, 1e6))
def test_a_pause_is_bounded_and_respects_what_was_asked(attempt: int, asked: float | None) -> None:
    retries = Retries()
    seconds = retries.pause(attempt, asked)

    if seconds is None:
        assert attempt >= retries.attempts or (asked or 0) > retries.longest_seconds
    else:
        assert (asked or 0) <= seconds <= retries.longest_seconds + retries.first_seconds


@given(st.text())
def test_no_text_in_retry_after_is_an_error(text: str) -> None:
    seconds = retry_after({"Retry-After": text})

    assert seconds is None or seconds >= 0


def test_retry_after_may_be_a_date() -> None:
    later = datetime.now(UTC) + timedelta(seconds=60)

    assert 50 < (retry_after({"Retry-After": format_datetime(later, usegmt=True)}) or 0) <= 60
    assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0
    assert retry_after({}) is None


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_of_the_service_becomes_its_own_error(service: FakeService, code: str) -> None:
    service.instead.append(problem(HTTPStatus.CONFLICT, code))
    with pytest.raises(CODES[code]) as caught:
        connected("blocking", service, Retries(attempts=1)).get(service.job_id)

    assert type(caught.value) is CODES[code]
    assert caught.value.code == code


def test_every_error_of_the_service_is_known() -> None:
    known = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ExportError)}

    assert set(CODES.values()) == known


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (HTTPStatus.CONFLICT, Refused),
        (HTTPStatus.TOO_MANY_REQUESTS, Unavailable),
        (HTTPStatus.SERVICE_UNAVAILABLE, Unavailable),
        (HTTPStatus.INTERNAL_SERVER_ERROR, ExportError),
    ],
)
def test_a_code_of_tomorrow_has_at_least_a_kind(service: FakeService, status: HTTPStatus, kind: type) -> None:
    service.instead.append(problem(status, "a_code_of_tomorrow", retry_after="9999"))
    with pytest.raises(ExportError) as caught:
        connected("blocking", service).get(service.job_id)

    assert type(caught.value) is kind
    assert str(caught.value) == "Said so."


def test_an_error_says_which_request_it_was(service: FakeService) -> None:
    with pytest.raises(ExportNotFound) as caught:
        connected("blocking", service).get(uuid4())

    answer = caught.value.__cause__
    assert isinstance(answer, Answered)
    assert answer.problem
    assert (answer.status, answer.problem.request_id) == (404, "r1")
    assert "r1" in str(answer)


@pytest.mark.parametrize("job_id", ["", "last", "../datasets"])
def test_what_is_no_id_is_no_export(client: Client, service: FakeService, job_id: str) -> None:
    with pytest.raises(ExportNotFound):
        client.get(job_id)

    assert service.requests == []


def test_every_wrong_field_is_named(service: FakeService) -> None:
    fields = [{"pointer": "/end_date", "detail": "It is before the start date."}]
    service.instead.append(problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", errors=fields))
    with pytest.raises(InvalidRequest) as caught:
        connected("blocking", service).export(DATASET)

    assert caught.value.problems == (FieldProblem("/end_date", "It is before the start date."),)
    assert caught.value.__notes__ == ["/end_date: It is before the start date."]


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}", b"\xff", b'{"job_id": 1}'])
def test_an_answer_of_somebody_else_is_not_taken_for_the_services(service: FakeService, body: bytes) -> None:
    service.instead.append(httpx.Response(HTTPStatus.OK, content=body))
    with pytest.raises(UnexpectedAnswer):
        connected("blocking", service).get(service.job_id)


@pytest.mark.parametrize(
    "url", [URL, f"{URL}/", f"{URL}{BASE_PATH}", f"{URL}{BASE_PATH}/", f"{URL}:80", "HTTP://service.test"]
)
def test_an_address_may_be_written_in_several_ways(url: str) -> None:
    assert service_url(url) == f"{URL}{BASE_PATH}"


def test_the_service_may_be_mounted_below_a_path() -> None:
    assert service_url("https://host.test/exports/") == f"https://host.test/exports{BASE_PATH}"


@pytest.mark.parametrize("url", ["", "localhost:8000", "ftp://host", "http://", "http://u:p@host", "http://h/?a=b"])
def test_what_is_no_address_is_refused_at_once(url: str) -> None:
    with pytest.raises(ValueError, match="https://host") as caught:
        Client(url, TOKEN)

    assert "p@host" not in str(caught.value)


@pytest.mark.parametrize("token", ["", "  ", "two words", "line\nbreak", "ümlaut", "nul\0"])
def test_what_is_no_token_is_refused_at_once(token: str) -> None:
    with pytest.raises(InvalidToken):
        Client(URL, token)


def test_a_token_may_have_been_copied_with_its_line_break(service: FakeService) -> None:
    client = Client(URL, f" {TOKEN}\n", transport=service.transport)

    assert client.get(service.job_id).facts.job_id == service.job_id


def test_the_token_is_seen_nowhere(service: FakeService, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = Client(URL, TOKEN, retries=Retries(attempts=1), transport=service.transport)
    export = client.get(service.job_id)
    service.instead.append(LOST)
    with pytest.raises(ServiceUnreachable) as caught:
        export.refresh()

    seen = [client, export, AsyncClient(URL, TOKEN), caught.value, caught.value.__cause__, service.requests]
    assert TOKEN not in "".join(map(repr, seen)) + caplog.text
    with pytest.raises(TypeError):
        pickle.dumps(client)


def test_a_blocking_client_works_where_an_event_loop_runs(service: FakeService) -> None:
    async def notebook() -> UUID:
        return connected("blocking", service).get(str(service.job_id)).facts.job_id

    assert asyncio.run(notebook()) == service.job_id


def test_a_coroutine_that_waits_for_an_event_loop_is_a_defect() -> None:
    with pytest.raises(RuntimeError):
        run(asyncio.sleep(1))


def test_connections_are_closed(service: FakeService) -> None:
    with connected("blocking", service) as client:
        client.get(service.job_id)
    with pytest.raises(RuntimeError, match="closed"):
        client.get(service.job_id)


def test_options_are_the_contracts() -> None:
    body = create_body(
        DATASET,
        {
            "format": "csv",
            "start_date": datetime(2024, 1, 2, tzinfo=UTC).date(),
            "end_date": None,
            "account_ids": [uuid4()],
            "numeric_filters": {"amount": {"min": 1.5}},
            "columns": ("a", "b"),
        },
    )

    assert body.format is Format.CSV
    assert str(body.start_date) == "2024-01-02"
    assert body.end_date is None
    assert body.columns == ["a", "b"]


def test_wrong_options_are_named_before_anything_is_sent(client: Client, service: FakeService) -> None:
    with pytest.raises(InvalidRequest) as caught:
        client.export(DATASET, start_date="hush", columns=[])

    assert {field.pointer for field in caught.value.problems} == {"/start_date", "/columns"}
    assert "hush" not in "".join(caught.value.__notes__)
    assert service.requests == []


def test_without_a_format_the_types_are_kept(service: FakeService) -> None:
    connected("blocking", service).export(DATASET)

    assert b'"format":"parquet"' in service.asked("POST", "/exports")[0].content


def test_every_option_of_the_contract_can_be_given() -> None:
    assert set(ExportOptions.__annotations__) == set(ExportCreate.model_fields) - {"dataset_id"}
    assert set(SelectionOptions.__annotations__) == set(SelectionFields.model_fields)


def test_every_filter_of_the_contract_can_be_given() -> None:
    given = (set(ListOptions.__annotations__) - {"dataset"}) | {"dataset_id"}

    assert given == set(ExportsQuery.model_fields) - {"limit", "cursor"}


def test_filters_of_a_preview_are_parameters() -> None:
    params = preview_params({"enum_filters": {"kind": ["a"]}, "columns": ["a", "b"], "start_date": None}, 5)

    assert params == {"enum_filters": '{"kind": ["a"]}', "columns": ["a", "b"], "limit": "5"}
