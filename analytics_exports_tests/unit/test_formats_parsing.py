"""Reading back: the records of text files, and the names of stored files."""

import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from analytics_exports.artifacts import counting
from analytics_exports.artifacts.keys import Key, parse_stored_name

CELLS = st.text('ab",;\r\n ', max_size=5)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=3), max_size=8), st.booleans())
def test_records_are_counted_as_a_reader_counts_them(rows: list[list[str]], quote_all: bool) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, quoting=csv.QUOTE_ALL if quote_all else csv.QUOTE_MINIMAL, lineterminator="\n").writerows(rows)

    assert counting.count_records(io.BytesIO(buffer.getvalue().encode())) == len(rows)


@given(st.lists(CELLS, min_size=1, max_size=30), st.integers(1, 7))
def test_it_does_not_matter_where_a_chunk_ends(cells: list[str], size: int) -> None:
    buffer = io.StringIO(newline="")
    csv.writer(buffer, lineterminator="\n").writerows([cell, "x"] for cell in cells)
    content = buffer.getvalue().encode()

    class Dripping(io.BytesIO):
        def read(self, _size: int | None = -1) -> bytes:
            return super().read(size)

    assert counting.count_records(Dripping(content)) == len(cells)
    assert counting.count_lines(Dripping(content)) == content.count(b"\n")
    assert counting.count_occurrences(Dripping(content), b",x") == content.count(b",x")


@given(st.uuids(), st.uuids(), st.sampled_from(["csv", "parquet", "csv.gz", "csv.zip"]), st.integers(0, 10**6))
def test_the_name_of_a_file_tells_whose_it_is(user: object, job: object, ending: str, attempt: int) -> None:
    key = Key.parse(f"exports/{user}/{job}.{ending}")

    assert (key.folder, key.name) == (str(user), f"{job}.{ending}")
    assert parse_stored_name(key.name) == (job, None)
    assert parse_stored_name(key.partial(attempt)) == (job, attempt)


@given(st.text(max_size=60))
def test_other_names_are_nobodys(name: str) -> None:
    assert parse_stored_name(name) is None
