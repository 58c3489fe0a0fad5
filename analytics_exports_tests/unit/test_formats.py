"""Formats as the outside sees them: names, endings, options and what is wrong with some of them."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_exports.artifacts.formats import check_options, describe_options, file_format
from analytics_exports.artifacts.warning_collector import WarningCode
from analytics_exports.domain.errors import FieldProblem, InvalidRequest
from analytics_exports.domain.formats import FORMATS, Format, ending, media_type

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
NAMES = ["compression", "timezone", "split", "csv", "xlsx", "delimiter", "preset", "rows", "~", "a/b"]


def pointers(format: Format, options: dict[str, Any]) -> list[str]:
    """Where ``options`` are wrong."""
    with pytest.raises(InvalidRequest) as refused:
        check_options(format, options)
    return [problem.pointer for problem in refused.value.problems]


@pytest.mark.parametrize("format", Format)
def test_every_format_has_a_name_a_media_type_a_hint_and_options(format: Format) -> None:
    assert FORMATS[format].hint.endswith(".")
    assert "/" in FORMATS[format].media_type
    assert check_options(format, {}) == {}
    assert set(describe_options()) == set(Format)


@pytest.mark.parametrize(
    ("format", "options", "expected"),
    [
        (Format.CSV, {}, "csv"),
        (Format.CSV, {"compression": "none"}, "csv"),
        (Format.CSV, {"compression": "gzip"}, "csv.gz"),
        (Format.NDJSON, {"compression": "zstd"}, "ndjson.zst"),
        (Format.PARQUET, {"compression": "zstd"}, "parquet"),
        (Format.ARROW, {"compression": "zstd"}, "arrow"),
        (Format.XLSX, {}, "xlsx"),
        (Format.XLSX, {"split": {"rows": 1000}}, "xlsx.zip"),
        (Format.CSV, {"compression": "gzip", "split": {"rows": 1000}}, "csv.zip"),
    ],
)
def test_the_ending_says_what_is_inside(format: Format, options: dict[str, Any], expected: str) -> None:
    assert ending(format, options) == expected
    plain = expected == format.value
    assert (media_type(format, options) == FORMATS[format].media_type) is plain


@pytest.mark.parametrize("format", Format)
def test_options_are_described(format: Format) -> None:
    schema = describe_options()[format]
    json.dumps(schema)
    for part in [schema, *schema.get("$defs", {}).values()]:
        for name, option in part["properties"].items():
            assert option.get("description"), name
            assert "default" in option or "$ref" in option, name


@pytest.mark.parametrize(
    ("format", "options", "expected"),
    [
        (Format.CSV, {"compression": "snappy"}, ["/compression"]),
        (Format.PARQUET, {"compression": "gzip"}, ["/compression"]),
        (Format.PARQUET, {"csv": {}}, ["/csv"]),
        (Format.PARQUET, {"timezone": "UTC"}, ["/timezone"]),
        (Format.CSV, {"timezone": "Mars/Olympus"}, ["/timezone"]),
        (Format.CSV, {"timezone": ""}, ["/timezone"]),
        (Format.CSV, {"csv": {"delimiter": "x", "nothing": 1}}, ["/csv/delimiter", "/csv/nothing"]),
        (Format.CSV, {"csv": {"decimal": ","}}, ["/csv"]),
        (Format.CSV, {"csv": {"preset": "excel-eu", "delimiter": ","}}, ["/csv"]),
        (Format.CSV, {"csv": {"preset": "lotus"}}, ["/csv/preset"]),
        (Format.CSV, {"csv": {"preset": 1}}, ["/csv/preset"]),
        (Format.CSV, {"csv": "excel"}, ["/csv"]),
        (Format.CSV, {"csv": {"bom": "yes"}}, ["/csv/bom"]),
        (Format.CSV, {"csv": {"null": "a\nb"}}, ["/csv/null"]),
        (Format.CSV, {"csv": {"date_format": "%H"}}, ["/csv/date_format"]),
        (Format.CSV, {"csv": {"date_format": "%"}}, ["/csv/date_format"]),
        (Format.CSV, {"csv": {"timestamp_format": "%s"}}, ["/csv/timestamp_format"]),
        (Format.CSV, {"split": {}}, ["/split"]),
        (Format.CSV, {"split": {"rows": 1, "bytes": True}}, ["/split/rows", "/split/bytes"]),
        (Format.XLSX, {"xlsx": {"rows_per_sheet": 2_000_000}}, ["/xlsx/rows_per_sheet"]),
        (Format.CSV, {"a/b": 1, "~": 2}, ["/a~1b", "/~0"]),
    ],
)
def test_an_option_that_is_wrong_is_named(format: Format, options: dict[str, Any], expected: list[str]) -> None:
    assert pointers(format, options) == expected


@given(st.sampled_from(Format), st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=8), JSON, max_size=4))
def test_any_options_are_accepted_or_refused(format: Format, options: dict[str, Any]) -> None:
    problems: tuple[FieldProblem, ...] = ()
    try:
        accepted = check_options(format, options)
    except InvalidRequest as refused:
        problems = refused.problems
    else:
        assert file_format(format, accepted) == file_format(format, options)
        assert check_options(format, json.loads(json.dumps(accepted))) == accepted

    assert all(problem.pointer.startswith("/") and problem.detail.endswith(".") for problem in problems)


def test_a_preset_is_a_starting_point() -> None:
    stored = check_options(Format.CSV, {"csv": {"preset": "excel", "newline": "\n"}})

    assert stored["csv"] == {
        "preset": "excel",
        "newline": "\n",
        "bom": True,
        "timestamp_format": "%Y-%m-%d %H:%M:%S%.f",
        "offset": False,
    }


def test_what_is_refused_is_not_repeated() -> None:
    with pytest.raises(InvalidRequest) as refused:
        check_options(Format.CSV, {"csv": {"delimiter": "secret", "null": "sec\nret"}, "timezone": "secret"})

    assert not any("sec" in problem.detail for problem in refused.value.problems)


def test_the_documentation_names_every_option_and_every_warning(repository: Path) -> None:
    text = (repository / "docs" / "reference" / "formats.md").read_text(encoding="utf-8")
    options = {
        name
        for schema in describe_options().values()
        for part in [schema, *schema.get("$defs", {}).values()]
        for name in part["properties"]
    } - {"split", "rows", "bytes", "csv", "xlsx"}

    missing = [name for name in [*options, *WarningCode, *Format] if f"`{name}`" not in text]
    assert missing == []
    assert "`split.rows`" in text
    assert "`split.bytes`" in text
    assert all(facts.media_type in text for facts in FORMATS.values())
