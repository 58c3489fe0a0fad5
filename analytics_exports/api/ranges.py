"""Byte ranges (RFC 9110, section 14): from the Range header to the requested parts of a file."""

import re

from analytics_exports.api.errors import RangeNotSatisfiable

MAX_RANGES = 16
"""A request for more ranges gets the whole file."""

SPECIFICATION = re.compile(r"([0-9]{0,19})-([0-9]{0,19})")


def parse_range(header: str | None, size: int) -> list[range] | None:
    """The requested parts of a file of ``size`` bytes, ordered and without overlaps; ``None`` for the whole file.

    A header that is malformed, uses another unit, or has too many ranges is ignored, as the RFC allows.

    Raises:
        RangeNotSatisfiable: no range lies within the file.
    """
    unit, _, specifications = (header or "").partition("=")
    items = [item.strip() for item in specifications.split(",", MAX_RANGES)]
    if unit.strip().lower() != "bytes" or len(items) > MAX_RANGES:
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
    return _merge(parts)


def _part(first: str, last: str, size: int) -> range:
    """The existing bytes of one range; ``-5`` is the last five."""
    if not first:
        return range(max(size - int(last), 0), size)
    return range(int(first), min(int(last) + 1, size) if last else size)


def _merge(parts: list[range]) -> list[range]:
    """The same bytes without overlaps, in the order of the file."""
    parts.sort(key=lambda part: part.start)
    apart = parts[:1]
    for part in parts[1:]:
        if part.start <= apart[-1].stop:
            apart[-1] = range(apart[-1].start, max(apart[-1].stop, part.stop))
        else:
            apart.append(part)
    return apart
