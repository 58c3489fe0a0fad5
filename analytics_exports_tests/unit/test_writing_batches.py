"""Batches are encoded in another thread while those before are written: in order, and without a trace when it fails."""

import os
import threading
from collections.abc import Iterator
from io import UnsupportedOperation
from pathlib import Path
from typing import BinaryIO, cast

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from analytics_exports.artifacts.formats import FileFormat
from analytics_exports.artifacts.hashing_writer import FileLimits, LocalFileWriter
from analytics_exports.artifacts.layout import Layout
from analytics_exports.artifacts.warning_collector import WarningCollector
from analytics_exports.artifacts.writing import write_file
from analytics_exports.domain.formats import Format
from analytics_exports_tests.rows import GeneratedRows

SCHEMA = pl.Schema({"number": pl.Int64})


class Lines(FileFormat):
    """One number a line; a negative one cannot be encoded, and one above 100 cannot be written."""

    format = Format.CSV

    @override
    def open(self, file: BinaryIO, layout: Layout, warnings: WarningCollector) -> "LineWriter":
        return LineWriter(file)

    @override
    def count(self, file: BinaryIO) -> int:
        raise UnsupportedOperation


class LineWriter:
    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def encode(self, rows: pl.DataFrame) -> list[int]:
        numbers: list[int] = rows["number"].to_list()
        if min(numbers) < 0:
            raise LookupError(threading.current_thread().name)
        return numbers

    def write(self, encoded: list[int]) -> None:
        if max(encoded) > 100:
            raise ArithmeticError(threading.current_thread().name)
        self._file.write("".join(f"{number}\n" for number in encoded).encode())

    def finish(self) -> None:
        """Nothing follows the last line."""


class Source(GeneratedRows):
    """Batches with these numbers; ``None`` is a source that fails.

    Attributes:
        ended: Whether the iterator was exhausted or closed.
    """

    def __init__(self, batches: list[list[int] | None]) -> None:
        super().__init__(SCHEMA, self._generate)
        self._batches = batches
        self.ended = False

    def _generate(self) -> Iterator[pl.DataFrame]:
        try:
            for numbers in self._batches:
                if numbers is None:
                    raise ConnectionError
                yield pl.DataFrame({"number": numbers}, schema=SCHEMA)
        finally:
            self.ended = True


def write(source: Source, descriptor: int) -> int:
    file = LocalFileWriter(descriptor, FileLimits(2**30, 0))
    return write_file(source, file, Lines(), lambda rows, size: None, columns=None, facts={}).row_count


@given(batches=st.lists(st.lists(st.integers(0, 100), max_size=3), max_size=9))
def test_rows_are_written_in_their_order(batches: list[list[int]]) -> None:
    descriptor = os.memfd_create("lines")
    source = Source([*batches])
    try:
        rows = write(source, descriptor)
        with os.fdopen(os.dup(descriptor), "rb") as file:
            file.seek(0)
            written = [int(line) for line in file]
    finally:
        os.close(descriptor)

    assert written == [number for batch in batches for number in batch]
    assert rows == len(written)
    assert source.ended


@pytest.mark.parametrize("good", range(5))
@pytest.mark.parametrize(("bad", "error"), [(None, ConnectionError), ([-1], LookupError), ([101], ArithmeticError)])
def test_the_first_error_ends_everything(good: int, bad: list[int] | None, error: type[Exception]) -> None:
    source = Source([*([[1]] * good), bad, [1], [1]])
    before = threading.active_count()

    with Path(os.devnull).open("wb") as nowhere, pytest.raises(error):
        write(source, nowhere.fileno())

    assert threading.active_count() == before
    assert source.ended


def test_only_batches_after_the_second_are_encoded_in_another_thread() -> None:
    threads = []
    for good in (0, 1, 2, 3):
        with Path(os.devnull).open("wb") as nowhere, pytest.raises(LookupError) as raised:
            write(Source([*([[1]] * good), [-1]]), nowhere.fileno())
        threads.append(cast("str", raised.value.args[0]).partition("_")[0])

    assert threads == ["MainThread", "MainThread", "encoding", "encoding"]


def test_batches_are_written_while_the_next_is_encoded() -> None:
    """Reading waits for the batch before the last to be written, which nobody could do after it."""
    written = threading.Event()

    def generate() -> Iterator[pl.DataFrame]:
        for number in range(5):
            if number == 4:
                assert written.wait(30)
            yield pl.DataFrame({"number": [number]}, schema=SCHEMA)

    def progress(rows: int, size: int) -> None:
        if rows == 3:
            written.set()

    with Path(os.devnull).open("wb") as nowhere:
        file = LocalFileWriter(nowhere.fileno(), FileLimits(2**30, 0))
        done = write_file(GeneratedRows(SCHEMA, generate), file, Lines(), progress, columns=None, facts={})

    assert done.row_count == 5
