"""Range and conditional requests (RFC 9110, sections 13 and 14): which bytes of which version a client requests."""

import re
from collections.abc import Iterator

from starlette.datastructures import Headers

from analytics_exports.api.errors import RangeNotSatisfiable

ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')
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


def if_match_fails(headers: Headers, etag: str) -> bool:
    """Whether If-Match requires another version than this one."""
    given = headers.getlist("if-match")
    return bool(given) and "*" not in given and (False, etag) not in _tags(given)


def if_none_match_matches(headers: Headers, etag: str) -> bool:
    """Whether If-None-Match names this version: the client has it already."""
    given = headers.getlist("if-none-match")
    return "*" in given or etag in {tag for _, tag in _tags(given)}


def range_applies(headers: Headers, etag: str) -> bool:
    """Whether a Range header applies: there is no If-Range, or it names this version. A date never does."""
    given = headers.getlist("if-range")
    return not given or list(_tags(given)) == [(False, etag)]


def _tags(values: list[str]) -> Iterator[tuple[bool, str]]:
    """Each entity tag of a header: whether it is weak, and the quoted tag."""
    for match in ENTITY_TAG.finditer(",".join(values)):
        yield match[1] is not None, f'"{match[2]}"'
