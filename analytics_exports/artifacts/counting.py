"""Counts the records of text files when they are read back, independently of the writer."""

from collections.abc import Iterator
from typing import IO

_CHUNK = 2**20
_NEITHER_QUOTE_NOR_NEWLINE = bytes(set(range(256)) - set(b'"\n'))


def count_lines(file: IO[bytes]) -> int:
    """The number of newlines in a file."""
    return sum(chunk.count(b"\n") for chunk in _chunks(file))


def count_records(file: IO[bytes]) -> int:
    """The number of records of a CSV file (RFC 4180), the header included: newlines outside quotes."""
    found, inside = 0, 0
    for chunk in _chunks(file):
        # Adjacent quotes after this translation enclose no newline: they are a quoted text without one, or an escaped
        # quote. What remains are newlines, some of them between quotes.
        pieces = chunk.translate(None, _NEITHER_QUOTE_NOR_NEWLINE).replace(b'""', b"").split(b'"')
        found += sum(map(len, pieces[inside::2]))
        inside = (inside + len(pieces) - 1) % 2
    return found


def count_occurrences(file: IO[bytes], mark: bytes) -> int:
    """How often ``mark``, which does not overlap itself, occurs in a file."""
    found, kept = 0, b""
    for chunk in _chunks(file):
        window = kept + chunk
        found += window.count(mark)
        kept = window[len(window) - len(mark) + 1 :]
    return found


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk
