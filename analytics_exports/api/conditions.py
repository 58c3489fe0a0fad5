"""Conditional requests (RFC 9110, section 13): If-Match, If-None-Match and If-Range with a strong entity tag."""

import re
from collections.abc import Iterator

from starlette.datastructures import Headers

ENTITY_TAG = re.compile(r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"')


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
