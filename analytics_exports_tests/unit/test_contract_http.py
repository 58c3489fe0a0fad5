"""HTTP syntax: ranges, conditional requests, preferences, file names."""

import asyncio
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st
from starlette.datastructures import Headers
from werkzeug.http import parse_etags, parse_range_header

from analytics_exports.api.errors import RangeNotSatisfiable
from analytics_exports.api.headers import WAIT, retry_after
from analytics_exports.api.range_requests import (
    MAX_RANGES,
    if_match_fails,
    if_none_match_matches,
    parse_range,
    range_applies,
)
from analytics_exports.api.routes.downloads import content_disposition, download_name
from analytics_exports.api.state import MAX_ADDRESSES, FailedAttempts
from analytics_exports.domain.export import JobId
from analytics_exports.domain.formats import Format
from analytics_exports.domain.selection import Selection
from analytics_exports.services.change_hub import ChangeHub
from analytics_exports_tests import factories
from analytics_exports_tests.fakes.jobs import FakeJobStore

SPECIFICATIONS = st.lists(
    st.builds("{}-{}".format, st.integers(0, 120) | st.just(""), st.integers(0, 120) | st.just("")), max_size=6
)


@given(SPECIFICATIONS, st.integers(0, 100))
@example(["0-0", "-1"], 1)
def test_parts_lie_inside_the_file_in_order_and_apart(specifications: list[str], size: int) -> None:
    try:
        parts = parse_range(f"bytes={','.join(specifications)}", size)
    except RangeNotSatisfiable:
        return
    for part in parts or []:
        assert 0 <= part.start < part.stop <= size
    for one, next_one in zip(parts or [], (parts or [])[1:], strict=False):
        assert one.stop < next_one.start


@given(SPECIFICATIONS, st.integers(1, 100))
def test_parts_are_the_bytes_that_were_asked_for(specifications: list[str], size: int) -> None:
    """By another reading of the standard: which single bytes does each specification name?"""
    wanted: set[int] = set()
    for text in specifications:
        first, _, last = text.partition("-")
        if not first and not last:
            return
        if first and last and int(last) < int(first):
            return
        names = (lambda at, last=last: at >= size - int(last)) if not first else None
        wanted |= {
            at for at in range(size) if (names(at) if names else at >= int(first) and (not last or at <= int(last)))
        }
    if not specifications:
        return
    if not wanted:
        with pytest.raises(RangeNotSatisfiable):
            parse_range(f"bytes={','.join(specifications)}", size)
        return
    parts = parse_range(f"bytes={','.join(specifications)}", size)
    assert parts is not None
    assert {at for part in parts for at in part} == wanted


@given(SPECIFICATIONS, st.integers(1, 100))
def test_parts_are_those_that_werkzeug_finds(specifications: list[str], size: int) -> None:
    """It takes the last 0 bytes for all, and more bytes than there are for none; the standard says the opposite."""
    assume(all(0 < int(text[1:]) <= size for text in specifications if text[0] == "-" and text != "-"))
    read = [parse_range_header(f"bytes={text}") for text in specifications]
    header = f"bytes={','.join(specifications)}"
    if not specifications or None in read:
        assert parse_range(header, size) is None
        return
    known = [found.range_for_length(size) for found in read if found]
    wanted = {at for found in known if found for at in range(*found)}
    if not wanted:
        with pytest.raises(RangeNotSatisfiable):
            parse_range(header, size)
        return
    assert {at for part in parse_range(header, size) or [] for at in part} == wanted


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "bytes",
        "bytes=",
        "bytes=a-b",
        "bytes=-",
        "bytes=5-2",
        "bytes=0-1,5-2",
        "rows=0-1",
        "bytes=0-1;2-3",
        "bytes=99999999999999999999999-",
        "bytes=" + ",".join(["0-0"] * (MAX_RANGES + 1)),
        "bytes=" + ",".join(["0-"] * 3000),
        "bytes=\u0660-\u0665",
    ],
)
def test_a_range_that_makes_no_sense_is_ignored(header: str | None) -> None:
    assert parse_range(header, 10) is None


@given(st.text(max_size=40))
def test_any_range_header_has_an_answer(header: str) -> None:
    for text in (header, f"bytes={header}"):
        with suppress(RangeNotSatisfiable):
            parse_range(text, 10)


def test_a_range_outside_of_the_file_is_answered_with_its_size() -> None:
    with pytest.raises(RangeNotSatisfiable) as outside:
        parse_range("bytes=10-", 10)

    assert outside.value.headers == {"Content-Range": "bytes */10"}


ETAG = '"abc"'


def headers(**given: str) -> Headers:
    return Headers({name.replace("_", "-"): value for name, value in given.items()})


@pytest.mark.parametrize(
    ("value", "same"),
    [
        ('"abc"', True),
        ('W/"abc"', True),
        ('"x", "abc"', True),
        ("*", True),
        ('"x"', False),
        ("abc", False),
        ("", False),
    ],
)
def test_if_none_match_compares_weakly(value: str, same: bool) -> None:
    assert if_none_match_matches(headers(if_none_match=value), ETAG) is same


@pytest.mark.parametrize(
    ("value", "kept"), [('"abc"', True), ('"x", "abc"', True), ("*", True), ('W/"abc"', False), ('"x"', False)]
)
def test_if_match_compares_strongly(value: str, kept: bool) -> None:
    assert if_match_fails(headers(if_match=value), ETAG) is not kept


@pytest.mark.parametrize(
    ("value", "applies"),
    [('"abc"', True), ('W/"abc"', False), ('"x"', False), ("Wed, 21 Oct 2015 07:28:00 GMT", False), ("", False)],
)
def test_if_range_needs_this_very_version(value: str, applies: bool) -> None:
    assert range_applies(headers(if_range=value), ETAG) is applies


@given(st.lists(st.sampled_from([ETAG, f"W/{ETAG}", '"x"', 'W/"x"', '"a,b"', '""']), min_size=1), st.booleans())
def test_entity_tags_are_understood_as_werkzeug_understands_them(tags: list[str], star: bool) -> None:
    value = ", ".join([*tags, "*"] if star else tags)
    known = parse_etags(value)

    assert if_none_match_matches(headers(if_none_match=value), ETAG) is known.contains_weak("abc")
    assert if_match_fails(headers(if_match=value), ETAG) is not known.contains("abc")


def test_without_conditions_there_are_none() -> None:
    assert (
        if_match_fails(headers(), ETAG),
        if_none_match_matches(headers(), ETAG),
        range_applies(headers(), ETAG),
    ) == (False, False, True)


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        ("wait=5", "5"),
        ("respond-async, wait=5", "5"),
        ("respond-async; x, WAIT = 5", "5"),
        ('wait="5"', "5"),
        ("await=5", None),
        ("wait=-5", None),
        ("wait=5.5", None),
        ("wait", None),
        ("", None),
    ],
)
def test_a_preference_is_found(prefer: str, seconds: str | None) -> None:
    found = WAIT.search(prefer)

    assert (found and found[1]) == seconds


def test_the_pause_grows_with_the_age_of_an_export() -> None:
    store = FakeJobStore()
    pauses = []
    for age in (0, 9, 20, 60, 3600):
        store.now = datetime.now(UTC) - timedelta(seconds=age)
        pauses.append(int(retry_after(store.create(factories.principal(), factories.request()))))

    assert pauses == [1, 1, 4, 12, 30]


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ({"start_date": date(2024, 1, 1), "end_date": date(2024, 12, 31)}, "2024-01-01_2024-12-31"),
        ({"start_date": date(2024, 1, 1)}, "from_2024-01-01"),
        ({"end_date": date(2024, 12, 31)}, "until_2024-12-31"),
        ({}, "2026-01-25"),
    ],
)
def test_a_file_is_named_after_its_dataset_and_days(days: dict[str, Any], expected: str) -> None:
    request = factories.request(selection=Selection(**days), format=Format.CSV, options={"compression": "gzip"})
    job = FakeJobStore().create(factories.principal(), request)

    assert download_name(job) == f"fct_transactions_{expected}.csv.gz"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_a_name_is_one_safe_header_and_comes_back_whole(name: str) -> None:
    value = content_disposition(name)
    start, _, plain = value.partition('filename="')
    plain, _, rest = plain.partition('"; ')

    assert start == "attachment; "
    assert value.isascii()
    assert value.isprintable()
    assert not set(plain) & set('"\\/;')
    assert unquote(rest.removeprefix("filename*=UTF-8''")) == name


def test_an_address_may_fail_so_often_in_a_minute() -> None:
    now = 0.0
    attempts = FailedAttempts(2, lambda: now)
    assert [attempts.record("a") for _ in range(3)] == [True, True, False]
    assert attempts.record("b")
    now = 60.0

    assert attempts.record("a")


def test_many_addresses_do_not_fill_the_memory() -> None:
    attempts = FailedAttempts(1, lambda: 0.0)
    attempts.record("first")
    assert not attempts.record("first")
    for number in range(MAX_ADDRESSES):
        attempts.record(str(number))

    assert attempts.record("first")


def test_who_subscribes_to_an_export_is_notified_of_it_alone() -> None:
    async def scenario() -> tuple[bool, bool, bool]:
        waiting = ChangeHub()
        one, two = JobId(factories.principal().user_id), JobId(factories.principal().user_id)
        with waiting.subscribe(one) as watch, waiting.subscribe(two) as other:
            waiting.notify([str(one)])
            first = await watch.wait(5)
            again = await watch.wait(0.01)
            waiting.notify_all()
            return first, again, await other.wait(5)

    assert asyncio.run(scenario()) == (True, False, True)


def test_who_has_stopped_watching_is_forgotten() -> None:
    async def scenario() -> ChangeHub:
        waiting = ChangeHub()
        with waiting.subscribe(JobId(factories.principal().user_id)) as watch:
            pass
        waiting.notify_all()
        assert not await watch.wait(0.01)
        return waiting

    waiting = asyncio.run(scenario())
    assert not waiting._subscriptions
