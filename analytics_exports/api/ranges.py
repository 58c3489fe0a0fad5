"""Byte ranges of RFC 9110: from the Range header to the parts of a file that it asks for."""

import re

from analytics_exports.api.errors import RangeNotSatisfiable

MOST_RANGES = 16
"""A request for more parts than this gets the whole file."""

SPECIFICATION = re.compile(r"([0-9]{0,19})-([0-9]{0,19})")


def requested(header: str | None, size: int) -> list[range] | None:
    """The parts of a file of ``size`` bytes, in order and apart; ``None`` when the whole file is the answer.

    A header that is malformed, in another unit, or asks for very many parts is ignored, as the standard allows.

    Raises:
        RangeNotSatisfiable: no part lies inside of the file.
    """
    unit, _, specifications = (header or "").partition("=")
    items = [item.strip() for item in specifications.split(",", MOST_RANGES)]
    if unit.strip().lower() != "bytes" or len(items) > MOST_RANGES:
        return None
    matches = [SPECIFICATION.fullmatch(item) for item in items if item]
    if not matches:
        return None
    found = []
    for match in matches:
        if match is None or match[0] == "-" or (match[1] and match[2] and int(match[2]) < int(match[1])):
            return None
        found.append(_part(match[1], match[2], size))
    parts = [part for part in found if part]
    if not parts:
        raise RangeNotSatisfiable(size)
    return _apart(parts)


def _part(first: str, last: str, size: int) -> range:
    """The bytes of one specification that exist; ``-5`` is the last five."""
    if not first:
        return range(max(size - int(last), 0), size)
    return range(int(first), min(int(last) + 1, size) if last else size)


def _apart(parts: list[range]) -> list[range]:
    """The same bytes without overlaps, in the order of the file."""
    parts.sort(key=lambda part: part.start)
    apart = parts[:1]
    for part in parts[1:]:
        if part.start <= apart[-1].stop:
            apart[-1] = range(apart[-1].start, max(apart[-1].stop, part.stop))
        else:
            apart.append(part)
    return apart
